"""The stack against ordinary training, and a candidate against itself in other company."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from stripes_task import Stripes
from torch import nn

from automl.contracts import Leg, Recipe, RecipeRef, RungJob, Signature
from automl.errors import InvalidSetting
from automl.training.batched import StackedSupervised
from automl.training.batches import Batches
from automl.training.leg_training import Course, Slice, train_slice
from automl.training.models.character_mlp import CharacterMLP
from automl.training.schedules import Constant, WarmupCosine
from automl.training.update_rules import AdamW, NesterovSGD

STEPS = 20
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink an example takes minutes
WIDTH = 4
RULES = (NesterovSGD(), NesterovSGD(momentum=0.5), AdamW(), AdamW(beta1=0.5, beta2=0.9))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class OwnRule:
    """A rule that the engine does not know: the last gradient counts again, and is kept as it was given."""

    def init(self, parameters: Any, *, shapes: Any) -> dict[str, Any]:
        return {"last": {name: torch.zeros_like(buffer) for name, buffer in parameters.items()}}

    def step(self, parameters: Any, gradients: Any, state: Any, *, learning_rate: float, **_: Any) -> tuple[Any, Any]:
        pairs = {name: gradients[name] + state["last"][name] for name in parameters}
        return {name: parameters[name] - learning_rate * pairs[name] for name in parameters}, {"last": gradients}


def mlp(hidden: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 3))


def deep_mlp(hidden: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(64, hidden), nn.Tanh()]
    for _ in range(hidden % 4):
        layers += [nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, 3))


def conv(hidden: int) -> nn.Module:
    layers = (nn.Conv2d(1, hidden, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(9 * hidden, 3))
    return nn.Sequential(*layers)


def conv_with_norm(hidden: int) -> nn.Module:
    # without a bias, whose gradient would be rounding alone, which AdamW makes steps of
    layers = (nn.Conv2d(1, hidden, 3, stride=2, bias=False), nn.BatchNorm2d(hidden), nn.GELU(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(9 * hidden, 3))


def embedding(hidden: int) -> nn.Module:
    return CharacterMLP(vocabulary=7, width=hidden, generator=torch.default_generator)


MODELS: tuple[Callable[[int], nn.Module], ...] = (mlp, deep_mlp, conv, conv_with_norm, embedding)


def recipe_of(model: nn.Module | Callable[[int], nn.Module], hidden: int, dtype: torch.dtype, **changes: Any) -> Recipe:
    def build(signature: Signature, norm_act: Any, generator: torch.Generator) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(generator.initial_seed())
            return model(hidden).to(dtype)

    given = {"learning_rate": 0.02, "schedule": Constant(), "steps": STEPS, **changes}
    return Stripes().baseline("resnet").replace(model=build, **given)


def course(recipe: Recipe, dtype: torch.dtype, *, characters: bool = False, seed: int = 5) -> Course:
    if characters:
        windows = torch.randint(0, 7, (48, 10), generator=torch.Generator().manual_seed(0))
        inputs, targets = windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
    else:
        data = Stripes().data("train", "resnet")
        inputs, targets = data.inputs.to(dtype), data.targets
    batches = Batches(inputs=inputs, targets=targets, size=16, seed=seed, augment=recipe.augment)
    signature = Signature(inputs=tuple(inputs.shape[1:]), outputs=(3,))
    return Course(
        recipe=recipe, signature=signature, batches=batches, measure=lambda model: {}, seed=seed, device="cpu"
    )


def job(steps: tuple[int, int] = (0, STEPS), **changes: Any) -> RungJob:
    ref = RecipeRef(task="", variant="only")
    return RungJob(kind="train", refs=(ref,), leg=Leg(variant="only"), steps=steps, measure_every_steps=5, **changes)


def numbers(end: Slice) -> list[torch.Tensor]:
    return [*end.state.buffers.values(), *end.state.model.buffers()]


recipes = st.fixed_dictionaries(
    {
        "learning_rate": st.floats(1e-3, 0.05),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.1]),
        "schedule": st.builds(WarmupCosine, warmup=st.floats(0, 0.5), floor=st.floats(0, 1)),
        "update_rule": st.sampled_from([*RULES, OwnRule()]),
    }
)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, phases=PHASES)
@given(
    model=st.sampled_from(MODELS),
    hidden=st.integers(1, 9),
    width=st.integers(2, 5),
    changes=st.lists(recipes, min_size=1, max_size=6),
    shared=st.booleans(),
)
def test_stack_follows_ordinary_training(
    model: Callable[[int], nn.Module], hidden: int, width: int, changes: list[dict[str, Any]], shared: bool
) -> None:
    text = model is embedding
    made = [recipe_of(model, hidden, torch.float64, **change) for change in changes]
    seeds = [5 if shared else 5 + index for index in range(len(made))]
    courses = [course(one, torch.float64, characters=text, seed=seed) for one, seed in zip(made, seeds, strict=True)]
    together = StackedSupervised(width=width, shared=shared).train(courses, job(), [None] * len(courses))
    for one, end in zip(courses, together, strict=True):
        alone = train_slice(one, job(), snapshot=None)
        for ours, theirs in zip(numbers(end), numbers(alone), strict=True):
            assert float((ours - theirs).abs().max()) < 1e-9
        assert end.curve.steps == alone.curve.steps
        for name, values in alone.curve.metrics.items():
            assert end.curve.metrics[name] == pytest.approx(values, abs=1e-9)
        for ours, theirs in zip(end.state.norms, alone.state.norms, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-8)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=PHASES)
@given(
    model=st.sampled_from([mlp, deep_mlp, embedding, conv]),
    groups=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6), min_size=1, max_size=3),
)
def test_numbers_of_a_candidate_depend_neither_on_its_place_nor_on_its_company(
    model: Callable[[int], nn.Module], groups: list[list[int]]
) -> None:
    rules = [AdamW(), AdamW(), AdamW(beta1=0.5), NesterovSGD(), OwnRule(), AdamW(), NesterovSGD(), AdamW()]
    made = [
        recipe_of(model, 16, torch.float32, update_rule=rule, learning_rate=0.01 + 0.002 * index)
        for index, rule in enumerate(rules)
    ]
    stacked = StackedSupervised(width=WIDTH, shared=True)
    courses = [course(one, torch.float32, characters=model is embedding) for one in made]
    alone = [stacked.train([one], job((0, 6)), [None])[0] for one in courses]
    for group in groups:
        for index, end in zip(
            group, stacked.train([courses[i] for i in group], job((0, 6)), [None] * len(group)), strict=True
        ):
            assert end.curve == alone[index].curve
            assert end.state.norms == alone[index].state.norms
            for ours, theirs in zip(numbers(end), numbers(alone[index]), strict=True):
                assert torch.equal(ours, theirs)


@pytest.mark.parametrize("model", MODELS)
def test_slices_give_exactly_what_the_whole_gives(model: Callable[[int], nn.Module]) -> None:
    rules = [AdamW(), NesterovSGD(), OwnRule()]
    courses = [
        course(recipe_of(model, 8, torch.float32, update_rule=rule), torch.float32, characters=model is embedding)
        for rule in rules
    ]
    stacked = StackedSupervised(width=WIDTH, shared=True)
    whole = stacked.train(courses, job(), [None] * 3)
    first = stacked.train(courses, job((0, 10)), [None] * 3)
    trainer = courses[0].recipe.trainer
    kept: list[Any] = [{"step": 10, "state": trainer.snapshot(end.state)} for end in first]
    second = stacked.train(courses, job((10, STEPS)), [kept[0], None, kept[2]])  # one is lost and trained again
    assert [end.trained for end in second] == [10, 20, 10]
    for start, end, entire in zip(first, second, whole, strict=True):
        assert start.curve.then(end.curve) == entire.curve
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(numbers(end), numbers(entire), strict=True))
        assert end.state.norms == entire.state.norms


def test_candidate_that_diverges_ends_alone() -> None:
    rates = (0.01, 1e30, 0.02)
    courses = [course(recipe_of(mlp, 8, torch.float32, learning_rate=rate), torch.float32) for rate in rates]
    stacked = StackedSupervised(width=WIDTH, shared=True)
    good, bad, other = stacked.train(courses, job(), [None] * 3)
    assert [good.diverged, bad.diverged, other.diverged] == [False, True, False]
    assert bad.curve.steps[-1] == bad.done == len(bad.state.norms) < STEPS
    assert bad.curve.last("train_loss") is None
    for end, one in ((good, courses[0]), (other, courses[2])):
        (alone,) = stacked.train([one], job(), [None])
        assert end.curve == alone.curve
        assert torch.equal(numbers(end)[0], numbers(alone)[0])


def test_snapshot_of_a_stack_goes_on_in_ordinary_training() -> None:
    one = course(recipe_of(mlp, 8, torch.float64, update_rule=AdamW()), torch.float64)
    (first,) = StackedSupervised(width=WIDTH, shared=True).train([one], job((0, 10)), [None])
    kept = {"step": 10, "state": one.recipe.trainer.snapshot(first.state)}
    whole, rest = train_slice(one, job(), snapshot=None), train_slice(one, job((10, STEPS)), snapshot=kept)
    assert float((numbers(whole)[0] - numbers(rest)[0]).abs().max()) < 1e-9


def test_candidates_of_different_models_are_refused() -> None:
    courses = [course(recipe_of(mlp, hidden, torch.float32), torch.float32) for hidden in (8, 9)]
    with pytest.raises(InvalidSetting, match="different models"):
        StackedSupervised(width=WIDTH, shared=True).train(courses, job(), [None, None])


def test_weights_that_are_not_trained_stay_each_candidates_own() -> None:
    def frozen(hidden: int) -> nn.Module:
        model = mlp(hidden)
        model[1].weight.requires_grad_(False)
        return model

    courses = [course(recipe_of(frozen, 8, torch.float64), torch.float64, seed=seed) for seed in (1, 2)]
    ends = StackedSupervised(width=2, shared=False).train(courses, job(), [None, None])
    for one, end in zip(courses, ends, strict=True):
        alone = train_slice(one, job(), snapshot=None)
        for ours, theirs in zip(end.state.model.parameters(), alone.state.model.parameters(), strict=True):
            assert float((ours - theirs).detach().abs().max()) < 1e-9
        assert math.isfinite(end.state.norms[-1][1])
