"""Which calls count as activations, and the matrix of agreement by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.training.activation_codes import code_agreement

EXAMPLES = torch.tensor([[1.0, -1.0, -2.0], [1.0, 3.0, -2.0]])
"""Codes (1, 0, 0) and (1, 1, 0): alike in two of three."""
BY_HAND = [[3.0, 2.0], [2.0, 3.0]]


class Calls(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.gate = nn.Parameter(torch.ones(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


MODULES = [
    *(nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.RReLU(), nn.PReLU(), nn.ELU(), nn.SELU()),
    *(nn.CELU(), nn.GELU(), nn.SiLU(inplace=True), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh()),
    *(nn.Sigmoid(), nn.Tanh(), nn.LogSigmoid(), nn.Softplus(), nn.Softsign(), nn.Softshrink(), nn.Hardshrink()),
    *(nn.Tanhshrink(), nn.Threshold(0.0, 0.0)),
]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_activation_module_is_seen_once(module: nn.Module) -> None:
    agreement = code_agreement(module, EXAMPLES.clone())
    assert agreement is not None and agreement.tolist() == BY_HAND


@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        functional.gelu,
        lambda x: x.sigmoid(),
        lambda x: x.clone().relu_(),
        lambda x: x.clamp(min=0),
        lambda x: torch.clamp_min(x, 0.0),
        lambda x: torch.maximum(x, torch.zeros_like(x)),
        lambda x: torch.max(x, torch.zeros(3)),
    ],
)
def test_functions_and_methods_count_like_modules(function: Callable[[Tensor], Tensor]) -> None:
    agreement = code_agreement(Calls(function), EXAMPLES.clone())
    assert agreement is not None and agreement.tolist() == BY_HAND


def test_a_maximum_switches_where_its_sides_meet() -> None:
    agreement = code_agreement(Calls(lambda x: torch.maximum(x, 2 - x)), EXAMPLES.clone())
    assert agreement is not None and agreement[0, 1] == 2  # x > 1: (0, 0, 0) and (0, 1, 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2,
        lambda x: x.clamp(min=-1),
        lambda x: x.clamp(max=0),
        lambda x: x.max(dim=1).values[:, None] * x,
        lambda x: x.max() * x,
    ],
)
def test_other_operations_are_no_activations(function: Callable[[Tensor], Tensor]) -> None:
    assert code_agreement(Calls(function), EXAMPLES.clone()) is None


def test_an_activation_of_parameters_alone_is_not_counted() -> None:
    model = Calls(lambda x: x * torch.sigmoid(model.gate))
    assert code_agreement(model, EXAMPLES) is None


def test_agreements_of_all_layers_add_up_and_the_diagonal_counts_activations() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    examples = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    agreement = code_agreement(model, examples)
    hidden = model[0](examples)
    codes = torch.cat([hidden > 0, model[2](hidden.relu()) > 0], dim=1)
    by_pairs = [[12 - int((one != other).sum()) for other in codes] for one in codes]
    assert agreement is not None and agreement.tolist() == by_pairs
