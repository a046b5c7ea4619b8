"""Every built-in task inherits the suite of its contract."""

import numpy as np
import pytest
from stripes_task import Stripes

from automl.contracts import Task
from automl.testing.task_suite import TaskSuite
from automl.training.tasks.digits import Digits
from automl.training.tasks.digits_archs import DigitsArchs
from automl.training.tasks.images import Images
from automl.training.tasks.text import Text


class TestDigits(TaskSuite):
    def task(self) -> Task:
        return Digits()


class TestDigitsArchs(TaskSuite):
    def task(self) -> Task:
        return DigitsArchs(steps=150)


class TestCustom(TaskSuite):
    def task(self) -> Task:
        return Stripes()


class TestImages(TaskSuite):
    @pytest.fixture(autouse=True)
    def _archive(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        rng = np.random.default_rng(0)
        self.path = tmp_path_factory.mktemp("images") / "images.npz"
        np.savez(self.path, images=rng.integers(0, 256, (80, 12, 12, 3), dtype=np.uint8), labels=np.arange(80) % 4)

    def task(self) -> Task:
        return Images(path=str(self.path), steps=40)


class TestText(TaskSuite):
    def task(self) -> Task:
        return Text()


class TestTunedTransformer(TaskSuite):
    def task(self) -> Task:
        return Text(model="transformer", learning_rates=(1e-3, 3e-3), weight_decays=(0.0, 0.1))
