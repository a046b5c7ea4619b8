"""Tiny trained-looking models and their data."""

import copy
import os

import pytest
import torch
from torch import nn

from automl.export.onnx_model import export_onnx

torch.set_num_threads(1)
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="session")
def images():
    return torch.randn(70, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def _built(images):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(16, 3),
        )
        net.train()
        for _ in range(5):
            net(images * 2 + 1)
    return net.eval()


@pytest.fixture
def model(_built):
    """A small convolutional net with running statistics that differ from their initial values."""
    return copy.deepcopy(_built)


@pytest.fixture(scope="session")
def model_file(_built, images, tmp_path_factory):
    """The same net as ONNX, exported once (0.7 s)."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    report = export_onnx(_built, images[:2], path, metadata={"study": "toy", "trial": "3"})
    return path, report


@pytest.fixture
def measure(images):
    """Share of examples of class 0, and the mean output."""

    def measured(module):
        with torch.inference_mode():
            outputs = module(images)
        return {"accuracy": float((outputs.argmax(1) == 0).float().mean()), "loss": float(outputs.mean())}

    return measured
