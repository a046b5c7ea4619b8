import pytest
import torch
from torch import Tensor, nn

from automl.authoring.module_replacement import replace_norm_act
from automl.errors import InvalidSetting


class Marked(nn.Module):
    """Stands for a candidate layer and remembers how it was asked for."""

    def __init__(self, channels: int, role: str) -> None:
        super().__init__()
        self.asked = (channels, role)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_sequential_neighbours_become_one_layer_and_lone_norms_take_the_role_norm() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.GroupNorm(2, 6), nn.Flatten()
    )
    report = replace_norm_act(net, Marked)
    assert (report.replaced, report.left) == (("1", "4"), ())
    assert net[1].asked == (4, "norm+act")
    assert isinstance(net[2], nn.Identity)
    assert net[4].asked == (6, "norm")
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 6 * 16)


def test_pair_is_found_across_nested_sequentials() -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4)), nn.SiLU())
    assert replace_norm_act(net, Marked).replaced == ("0.1",)
    assert net[0][1].asked == (4, "norm+act")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.relu1 = nn.BatchNorm2d(3), nn.ReLU()
        self.conv = nn.Conv2d(3, 5, 1)
        self.bn2, self.relu2 = nn.BatchNorm2d(5), nn.ReLU()


class ReusesItsActivation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.relu = nn.BatchNorm2d(3), nn.ReLU()
        self.conv, self.bn2 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)


def test_consecutive_attributes_are_pairs() -> None:
    block = Block()
    assert replace_norm_act(block, Marked).replaced == ("bn1", "bn2")
    assert isinstance(block.relu1, nn.Identity)
    assert isinstance(block.relu2, nn.Identity)


def test_norms_whose_activation_cannot_be_seen_are_named_and_left_alone() -> None:
    net = nn.Sequential(Block(), ReusesItsActivation(), Functional())
    report = replace_norm_act(net, Marked)
    assert report.replaced == ("0.bn1", "0.bn2")
    assert report.left == ("1.bn1", "1.bn2", "2.bn")
    assert isinstance(net[1].relu, nn.ReLU)


def test_layer_norm_over_tokens_is_left_alone() -> None:
    net = nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.LayerNorm((4, 2, 2)), nn.GELU())
    report = replace_norm_act(net, Marked)
    assert (report.replaced, report.left) == (("2",), ("0",))
    assert net[2].asked == (4, "norm+act")


@pytest.mark.parametrize("net", [Functional(), nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1))])
def test_network_without_a_pair_is_refused_with_the_norms_found(net: nn.Module) -> None:
    with pytest.raises(InvalidSetting, match=r"norms found: (bn|2)\)"):
        replace_norm_act(net, Marked)
