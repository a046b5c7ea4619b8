"""The trainer of differentiable searches, on a small searchable model."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import Parameter, functional

from automl.contracts import Genotype, Recipe, Signature, Trainer
from automl.errors import InvalidSetting
from search_spaces.darts.annealing import CosineToFloor
from search_spaces.darts.architecture_adam import ArchitectureAdam
from search_spaces.darts.bilevel import BilevelTrainer
from search_spaces.darts.bilevel_state import BilevelState, Mixing
from search_spaces.darts.weight_rule import MomentumSGD

SIGNATURE = Signature(inputs=(4,), outputs=(3,))


class MixedLayer(nn.Module):
    """Three layers side by side, mixed by softmax(alpha), behind a batch norm."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.layers = nn.ModuleList(nn.Linear(4, 3) for _ in range(3))
        self.architecture = nn.ParameterDict({"normal": torch.zeros(1, 3)})
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))

    def forward(self, inputs: Tensor) -> Tensor:
        weights = torch.softmax(self.architecture["normal"], dim=1)[0]
        state = self.norm(inputs)
        outputs = (self.layers[0](state), self.layers[1](torch.tanh(state)), self.layers[2](torch.square(state)))
        mixed: Tensor = sum(weight * output for weight, output in zip(weights, outputs, strict=True))
        return mixed

    def architecture_parameters(self) -> list[Parameter]:
        return list(self.architecture.values())

    def weight_parameters(self) -> list[Parameter]:
        return [one for name, one in self.named_parameters() if not name.startswith("architecture")]

    def mixing(self) -> Mapping[str, Tensor]:
        return {"normal": torch.softmax(self.architecture["normal"], dim=1)}


def strongest(mixing: Mixing) -> Genotype:
    return {"layer": int(mixing["normal"].argmax())}


def largest_weight(mixing: Mixing, genotype: Genotype | None) -> dict[str, float | None]:
    return {"largest": float(mixing["normal"].max())}


def trainer_of(**settings: Any) -> BilevelTrainer:
    return BilevelTrainer(derive=strongest, read=largest_weight, **settings)


def recipe_of(trainer: BilevelTrainer, *, steps: int = 20, learning_rate: float = 0.1, **changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "model": lambda signature, norm_act, generator: MixedLayer(generator),
        "norm_act": lambda channels, role: nn.ReLU(),
        "update_rule": MomentumSGD(),
        "learning_rate": learning_rate,
        "weight_decay": 3e-4,
        "decays": lambda name, parameter: True,
        "schedule": CosineToFloor(floor=0.04),
        "loss": lambda outputs, targets: functional.cross_entropy(outputs, targets),
        "augment": lambda batch, generator: batch,
        "on_progress": lambda model, share: None,
        "trainer": trainer,
        "batch_size": 8,
        "steps": steps,
    }
    return Recipe(**{**fields, **changes})


def batch_of(step: int, *, rows: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(rows, 4, generator=generator)
    return inputs, (torch.square(inputs[:, :3])).argmax(dim=1)


def started(trainer: BilevelTrainer, *, seed: int = 0, **recipe: Any) -> BilevelState:
    return trainer.init(recipe_of(trainer, **recipe), SIGNATURE, seed=seed, device="cpu")


def walked(trainer: BilevelTrainer, state: BilevelState, first: int, last: int) -> BilevelState:
    for step in range(first, last):
        trainer.step(state, batch_of(step), step=step)
    return state


def numbers(state: BilevelState) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_a_trainer() -> None:
    trainer: Trainer = trainer_of()
    assert trainer.parts == 2 and trainer_of(order=0).parts == 1


def test_the_first_step_moves_each_alpha_by_the_learning_rate() -> None:
    rule = ArchitectureAdam()
    alpha, gradient = torch.tensor([0.001, -0.002]), torch.tensor([0.1, -0.02])
    (moved,), _ = rule.step([alpha], [gradient], rule.init([alpha]))
    assert moved.tolist() == pytest.approx([0.0007, -0.0017], abs=1e-7)


def test_the_architect_is_torchs_adam() -> None:
    rule, generator = ArchitectureAdam(), torch.Generator().manual_seed(0)
    theirs = Parameter(torch.randn(5, generator=generator, dtype=torch.float64))
    mine, adam = theirs.detach().clone(), torch.optim.Adam([theirs], lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    state = rule.init([mine])
    for _ in range(10):
        theirs.grad = torch.randn(5, generator=generator, dtype=torch.float64)
        (mine,), state = rule.step([mine], [theirs.grad], state)
        adam.step()
    assert torch.allclose(mine, theirs, rtol=1e-12)


def test_the_first_order_is_the_published_loop() -> None:
    """Alpha first on the second half of the batch, then SGD with momentum, decay and clipping on the first."""
    trainer = trainer_of(clip=0.5)
    state = started(trainer)
    model = copy.deepcopy(state.model)
    model.load_state_dict(state.model.state_dict())
    adam = torch.optim.Adam(model.architecture_parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(model.weight_parameters(), lr=0.1, momentum=0.9, weight_decay=3e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, 20, eta_min=0.004)
    for step in range(10):
        inputs, targets = batch_of(step)
        adam.zero_grad()
        functional.cross_entropy(model(inputs[8:]), targets[8:]).backward()
        adam.step()
        sgd.zero_grad()
        functional.cross_entropy(model(inputs[:8]), targets[:8]).backward()
        nn.utils.clip_grad_norm_(model.weight_parameters(), 0.5)
        sgd.step()
        cosine.step()
    walked(trainer, state, 0, 10)
    found = dict(state.model.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter, atol=1e-5), name


@pytest.mark.parametrize("order", [0, 1, 2])
def test_an_interrupted_search_ends_as_if_it_had_not_been(order: int) -> None:
    trainer = trainer_of(order=order, derive_every=3)
    whole = walked(trainer, started(trainer), 0, 12)
    first = walked(trainer, started(trainer), 0, 5)
    kept = trainer.snapshot(first)
    walked(trainer, first, 5, 7)  # what goes on does not reach the snapshot
    second = walked(trainer, trainer.restore(started(trainer), kept), 5, 12)
    assert same(numbers(whole), numbers(second))
    derived = whole.derived[1:]
    assert [entry["step"] for entry in derived] == [6, 9, 12]
    assert second.derived == derived
    assert trainer.snapshot(whole).keys() == trainer.snapshot(second).keys()
    assert trainer.readings(whole) == trainer.readings(second)


def test_second_order_looks_ahead() -> None:
    ends = []
    for order in (1, 2):
        trainer = trainer_of(order=order, architect=ArchitectureAdam(learning_rate=0.05))
        ends.append(numbers(walked(trainer, started(trainer, learning_rate=0.5), 0, 5))["architecture.normal"])
    assert not torch.allclose(ends[0], ends[1], atol=1e-4)


def test_each_half_of_a_batch_trains_its_own_side() -> None:
    trainer = trainer_of()
    (inputs, targets), other = batch_of(0), batch_of(1)
    first, second = started(trainer), started(trainer)
    trainer.step(first, (inputs, targets), step=0)
    mixed = torch.cat([other[0][:8], inputs[8:]]), torch.cat([other[1][:8], targets[8:]])
    trainer.step(second, mixed, step=0)
    assert torch.equal(first.alphas[0], second.alphas[0])
    assert not torch.equal(first.weights.buffers["decayed"], second.weights.buffers["decayed"])


def test_the_architecture_stays_for_its_share_of_the_run() -> None:
    trainer = trainer_of(frozen=0.3)
    state = started(trainer)
    before = state.alphas[0].detach().clone()
    walked(trainer, state, 0, 6)
    assert torch.equal(state.alphas[0], before)
    walked(trainer, state, 6, 7)
    assert not torch.equal(state.alphas[0], before)


def test_without_an_architect_alphas_are_ordinary_weights() -> None:
    trainer = trainer_of(order=0)
    state = started(trainer)
    before = state.alphas[0].detach().clone()
    assert sum(len(buffer) for buffer in state.weights.buffers.values()) == sum(
        parameter.numel() for parameter in state.model.parameters()
    )
    walked(trainer, state, 0, 1)
    assert float((state.alphas[0].detach() - before).abs().max()) > 1e-4


def test_zero_one_loss_pulls_weights_apart() -> None:
    spread = []
    for factor in (0.0, 1000.0):
        trainer = trainer_of(zero_one=factor, architect=ArchitectureAdam(learning_rate=0.1))
        state = walked(trainer, started(trainer), 0, 15)
        spread.append(float(state.alphas[0].detach().abs().min()))
    assert spread[1] > 1 > spread[0]


def test_a_genotype_is_derived_at_every_interval_and_at_the_end() -> None:
    trainer = trainer_of(derive_every=8)
    state = walked(trainer, started(trainer), 0, 20)
    report = trainer.report(state, ())["derived"]
    assert [entry["step"] for entry in report] == [8, 16, 20]
    assert report[0]["genotype"].keys() == {"layer"} and 0 < report[0]["largest"] < 1
    fiftieth = walked(trainer_of(), started(trainer_of(), steps=200), 0, 9)
    assert [entry["step"] for entry in fiftieth.derived] == [4, 8]


def test_readings_have_the_same_names_at_every_point() -> None:
    trainer = trainer_of(sharpness=True)
    state = started(trainer)
    assert trainer.readings(state) == {"largest": pytest.approx(0.4, abs=0.1), "eigenvalue": None}
    walked(trainer, state, 0, 3)
    before = numbers(state)
    found = trainer.readings(state)
    assert found.keys() == {"largest", "eigenvalue"} and isinstance(found["eigenvalue"], float)
    assert same(before, numbers(state))
    assert trainer_of().readings(state).keys() == {"largest"}


def test_seeds_of_a_study_are_different_searches() -> None:
    first, second = (numbers(started(trainer_of(seed=seed))) for seed in (0, 1))
    assert not same(first, second)
    assert same(first, numbers(started(trainer_of(seed=0))))


def test_a_model_that_is_not_searchable_is_refused() -> None:
    trainer = trainer_of()
    recipe = recipe_of(trainer, model=lambda signature, norm_act, generator: nn.Linear(4, 3))
    with pytest.raises(InvalidSetting, match="mixing"):
        trainer.init(recipe, SIGNATURE, seed=0, device="cpu")


@pytest.mark.parametrize(
    "settings",
    [
        {"order": 3},
        {"frozen": 1.0},
        {"zero_one": -1.0},
        {"clip": 0.0},
        {"derive_every": 0},
        {"order": 0, "frozen": 0.2},
        {"order": 0, "sharpness": True},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match="is not allowed"):
        trainer_of(**settings)
