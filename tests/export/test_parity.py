"""Parity must see wrong models, and let right ones pass."""

import pytest
import torch
from torch import nn

from automl.errors import ExportError
from automl.export.onnx_model import export_onnx
from automl.export.parity import Parity, check_parity


class PerBatch(nn.Module):
    """Normalizes by the statistics of the batch even in eval mode: a sample's answer depends on its company."""

    def forward(self, x):
        return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()


class LogOfNegative(nn.Module):
    def forward(self, x):
        return torch.log(x)


class Wave(nn.Module):
    """Amplifies rounding on large inputs."""

    def forward(self, x):
        return torch.sin(x * 50)


def no_metrics(module):
    return {}


@pytest.fixture
def exported(tmp_path):
    def export(module, example):
        export_onnx(module, example[:2], tmp_path / "m.onnx", metadata={})
        return tmp_path / "m.onnx"

    return export


def test_an_honest_export_holds_at_every_batch_and_for_the_metric(model, images, measure, model_file):
    parity = check_parity(model, model_file[0], inputs=images, measure=measure)
    assert parity.holds
    assert {(c.name, c.batch) for c in parity.cases} == (
        {(name, batch) for name in ("real", "zero", "large") for batch in (1, 2, 7, 64)}
        | {("same sample", batch) for batch in (2, 7, 64)}
        | {("metric accuracy", None), ("metric loss", None)}
    )
    assert parity.to_json()["holds"] is True


@pytest.mark.parametrize(
    ("part", "change"), [("1.running_var", 1.01), ("5.bias", 1.01), ("1.running_mean", 0.99), ("0.weight", 1.001)]
)
def test_a_wrong_model_does_not_hold(model, images, measure, model_file, part, change):
    model.state_dict()[part].mul_(change)
    assert not check_parity(model, model_file[0], inputs=images, measure=measure).holds


def test_a_forgotten_eval_mode_does_not_hold(model, images, model_file):
    assert not check_parity(model.train(), model_file[0], inputs=images, measure=no_metrics).holds


def test_a_file_with_a_fixed_batch_is_found(images, tmp_path):
    module = nn.Linear(3, 2).eval()
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(module, (torch.ones(2, 3),), str(tmp_path / "m.onnx"), dynamo=False)
    parity = check_parity(module, tmp_path / "m.onnx", inputs=torch.ones(9, 3), measure=no_metrics)
    assert not parity.holds
    assert all(case.holds for case in parity.cases if case.batch == 2 and case.name == "real")


def test_a_sample_whose_answer_depends_on_its_batch_is_found(exported):
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    parity = check_parity(PerBatch(), exported(PerBatch(), rows), inputs=rows, measure=no_metrics)
    assert {case.name for case in parity.cases if not case.holds} == {"same sample"}


def test_nan_must_stand_at_the_same_places(exported):
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    path = exported(LogOfNegative(), rows)
    assert check_parity(LogOfNegative(), path, inputs=rows, measure=no_metrics).holds
    clamped = nn.Sequential(nn.ReLU(), LogOfNegative())
    failed = check_parity(clamped, path, inputs=rows, measure=no_metrics).worst
    assert failed.note == "NaN or infinity at different places"


def test_a_function_that_amplifies_rounding_is_judged_by_its_own_movement(exported):
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    parity = check_parity(Wave(), exported(Wave(), rows), inputs=rows, measure=no_metrics)
    assert parity.holds
    tolerances = {case.name: case.tolerance for case in parity.cases if case.batch == 64}
    assert tolerances["zero"] < tolerances["real"] < tolerances["large"] == 1e-2


def test_a_metric_that_differs_does_not_hold(model, images, model_file):
    answers = iter(({"accuracy": 0.95}, {"accuracy": 0.94}))
    parity = check_parity(model, model_file[0], inputs=images, measure=lambda module: next(answers))
    assert [case.name for case in parity.cases if not case.holds] == ["metric accuracy"]


def test_nothing_compared_is_not_parity(model, images, model_file):
    assert not Parity(cases=()).holds
    with pytest.raises(ExportError, match="at least one real example"):
        check_parity(model, model_file[0], inputs=images[:0], measure=no_metrics)


class NextToken(nn.Module):
    """Tokens [batch, context] -> logits [batch, context, vocabulary], each from the tokens up to it."""

    def __init__(self, vocabulary=11, width=8):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        counts = torch.arange(1, tokens.shape[1] + 1).view(-1, 1)
        return self.head(self.embedding(tokens).cumsum(1) / counts)


@pytest.fixture
def language_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NextToken().eval()


def test_a_language_model_holds_on_tokens(language_model, exported):
    tokens = torch.randint(11, (70, 6), generator=torch.Generator().manual_seed(0))

    def likelihood(module):
        return {"loss": float(nn.functional.cross_entropy(module(tokens).flatten(0, 1), tokens.flatten()).detach())}

    path = exported(language_model, tokens)
    parity = check_parity(language_model, path, inputs=tokens, measure=likelihood)
    assert parity.holds
    assert {case.name for case in parity.cases} == {"real", "zero", "reversed", "same sample", "metric loss"}
    language_model.embedding.weight.data[10] += 0.01
    changed = check_parity(language_model, path, inputs=tokens, measure=no_metrics)
    assert {case.name for case in changed.cases if not case.holds} >= {"real", "reversed"}
    assert all(case.holds for case in changed.cases if case.name == "zero")
