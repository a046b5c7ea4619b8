"""What a worker process is started with: its setup message and its environment.

Why: a worker must find what the driver finds (plug-ins by path, packages that are not installed) and nothing that the
driver does not. The rule: the driver's `sys.path` is sent as it is; the current directory never comes before it.
"""

import os
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import automl
from automl.canonical import JSON
from automl.execution.wire import frame

MESSAGE_OVERHEAD_BYTES = 64 << 10  # what surrounds a result: kind, seconds; or a failure's evidence
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStart:
    """Everything needed to start a worker, and to start it again after it was lost.

    Attributes:
        setup: the framed first message.
        environment: of the process.
        log_path: where its output goes; absolute.
        max_message_bytes: longest message that is taken from it.
    """

    setup: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    log_path: Path
    max_message_bytes: int


def setup_message(
    factory: str, arguments: Mapping[str, JSON], *, data_limit_bytes: int | None, max_result_bytes: int
) -> bytes:
    """Returns the framed first message for a worker.

    Args:
        factory: `package.module:function`.
        arguments: canonical JSON for the factory.
        data_limit_bytes: private memory on top of what the imports take; None = no fence.
        max_result_bytes: longest result as JSON.

    Raises:
        NotCanonical: the arguments have no canonical JSON form.
    """
    return frame(
        {
            "factory": factory,
            "arguments": dict(arguments),
            "path": [os.path.abspath(entry) for entry in sys.path],
            "data_limit_bytes": data_limit_bytes,
            "max_result_bytes": max_result_bytes,
        }
    )


def worker_environment(threads: int, device: str | None) -> dict[str, str]:
    """Returns the driver's environment with the threads of numeric libraries bounded and one device visible."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONUNBUFFERED": "1"}
    home = str(Path(automl.__file__).parent.parent)
    if home not in (*site.getsitepackages(), site.getusersitepackages()):  # run from a checkout, not installed
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), home)))
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    return environment
