"""What every test gets: one thread, no settings from the shell, and hypothesis without a clock."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
FROM_THE_SHELL = ("AUTOML_STORAGE", "AUTOML_DEVICE", "MLFLOW_TRACKING_URI")

for _name in ONE_THREAD:  # read by the libraries when they are first imported, here and in worker processes
    os.environ.setdefault(_name, "1")

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _one_thread_and_clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in FROM_THE_SHELL:
        monkeypatch.delenv(name, raising=False)
    torch = sys.modules.get("torch")  # most tests never load it
    if torch is not None:
        torch.set_num_threads(1)
    yield
