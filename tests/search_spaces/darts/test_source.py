"""The printed file stands alone and computes what the network computes."""

import types

import pytest
import torch
from torch import nn

from automl.contracts import Signature
from automl.export.candidate_check import check_source, has_self_test
from automl.export.torch_source import write_candidate
from search_spaces.darts.cell import CellPair, parse_cell
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.network import NetworkPlan
from search_spaces.darts.operations import OperationStyle, build_operation, style_of
from search_spaces.darts.source import network_source, operation_text
from search_spaces.darts.vocabulary import SHORT_NAMES


def loaded(text: str) -> types.ModuleType:
    """The file as a module; only texts that the check for exports lets through are run."""
    check_source(text)
    module = types.ModuleType("candidate")
    exec(compile(text, "candidate.py", "exec"), module.__dict__)  # noqa: S102
    return module


@pytest.mark.parametrize("name", DESIGNS)
def test_trained_weights_load_into_the_file_and_give_the_same_scores(built, digits, name):
    design = DESIGNS[name]
    settings = {"depth": 3, "channels": 4}
    network = built(design.cells, signature=digits, operations=design.operations, **settings)
    images = torch.randn(4, 1, 8, 8)
    network(images)  # moves the running statistics
    plan = NetworkPlan(cells=design.cells, style=style_of(design.operations), **settings)
    model = loaded(network_source(plan)).candidate(image_channels=1, classes=10)
    model.load_state_dict(network.state_dict())
    assert list(model.state_dict()) == list(network.state_dict())
    assert torch.equal(model.eval()(images), network.eval()(images))
    assert torch.equal(model.train()(images), network.train()(images))


@pytest.mark.parametrize("stem", ["small", "large"])
def test_a_file_with_an_auxiliary_head_gives_both_scores(built, stem):
    cells, signature = DESIGNS["darts-v2"].cells, Signature(inputs=(3, 32, 32), outputs=(7,))
    settings = {"stem": stem, "auxiliary": True, "channels": 4}
    network = built(cells, signature=signature, **settings)
    module = loaded(network_source(NetworkPlan(cells=cells, style=style_of("darts"), **settings)))
    model = module.candidate(image_channels=3, classes=7)
    model.load_state_dict(network.state_dict())
    images = torch.randn(4, 3, 32, 32)
    for given, expected in zip(model(images), network(images), strict=True):
        assert torch.equal(given, expected)
    assert torch.equal(model.eval()(images), network.eval()(images))


@pytest.mark.parametrize("dilated", ["once", "sharp"])
@pytest.mark.parametrize("stride", [1, 2])
def test_printed_operations_are_the_operations(stride, dilated):
    style, everything = OperationStyle(dilated=dilated, choke=5), {}
    exec("from torch import nn\nfrom search_spaces.darts.operations import *", everything)  # noqa: S102
    for name in SHORT_NAMES:
        printed = eval(operation_text(name, style=style), {**everything, "channels": 6, "stride": stride})  # noqa: S307
        built = build_operation(name, 6, stride=stride, style=style)
        printed.load_state_dict(built.state_dict())
        x = torch.randn(2, 6, 8, 8)
        assert torch.equal(printed(x), built(x)), name


def test_the_file_passes_its_self_test_alone(tmp_path):
    style = style_of("sharp", choke=6)
    plan = NetworkPlan(cells=DESIGNS["sharp-darts-max-w"].cells, style=style, auxiliary=True, stem="large")
    evidence = write_candidate(network_source(plan), tmp_path / "candidate.py")
    assert evidence.self_test and evidence.output.startswith("ok: ")


@pytest.mark.parametrize("name", ["nasnet", "fair-darts-a", "sharper-scalar-none"])
def test_files_of_unusual_cells_pass_their_self_tests(capsys, name):
    loaded(network_source(NetworkPlan(cells=DESIGNS[name].cells, style=style_of("darts")))).self_test()
    assert capsys.readouterr().out.startswith("ok: ")


def test_the_file_says_what_it_is_and_holds_only_what_it_uses():
    plan = NetworkPlan(cells=DESIGNS["darts-v2"].cells, style=style_of("darts"))
    text = network_source(plan, advice={"learning_rate": 0.1, "weight_decay": 5e-4})
    assert "normal  s3,0 s3,1 / s3,0 s3,1 / s3,1 sk,0 / sk,0 d3,2" in text
    assert "Judged best with learning_rate 0.1, weight_decay 0.0005." in text
    assert has_self_test(text) and "type: ignore" not in text
    assert max(map(len, text.splitlines())) <= 120
    for absent in ("LargeStem", "AuxiliaryHead", "AuxiliaryNetwork", "class Zero", "Conv7x1", "search_spaces"):
        assert absent not in text, absent


def test_a_file_of_few_operations_is_short():
    cell = parse_cell("mx,0 sk,1")
    text = network_source(NetworkPlan(cells=CellPair(normal=cell, reduce=cell), style=style_of("darts")))
    assert "DepthwiseStage" not in text and "SepConv" not in text
    assert isinstance(loaded(text).candidate(1, 2), nn.Module)
