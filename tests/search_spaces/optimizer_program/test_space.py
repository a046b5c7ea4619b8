"""The space of programs: conformance in both vocabularies, what it screens, what it makes of a recipe."""

import numpy as np
import pytest
import torch

from automl.contracts.space import SearchSpace
from automl.errors import CannotEncode, InvalidGenotype, InvalidSetting
from automl.testing.space_suite import SpaceSuite
from automl.training.tasks.text import Text
from search_spaces.optimizer_program import OptimizerProgramSpace
from search_spaces.optimizer_program.genotype import to_genotype, to_program
from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.update_rule import ProgramRule
from search_spaces.optimizer_program.zoo import DESIGNS


class TestExtended(SpaceSuite):
    def space(self) -> SearchSpace:
        return OptimizerProgramSpace()


class TestLion(SpaceSuite):
    def space(self) -> SearchSpace:
        return OptimizerProgramSpace(vocabulary="lion", longest=24)


class TestConstants(SpaceSuite):
    def space(self) -> SearchSpace:
        return OptimizerProgramSpace(mutation="constants")


def design(name: str) -> dict[str, object]:
    return dict(to_genotype(from_rows(DESIGNS[name])))


def test_every_published_rule_is_in_the_zoo_of_the_extended_vocabulary() -> None:
    assert set(OptimizerProgramSpace().zoo()) == set(DESIGNS)
    assert next(iter(OptimizerProgramSpace().zoo())) == "adamw"


def test_the_papers_vocabulary_has_no_step() -> None:
    zoo = OptimizerProgramSpace(vocabulary="lion").zoo()
    assert {"adamw", "lion", "lion-raw"} <= set(zoo) and "adamw-corrected" not in zoo
    with pytest.raises(InvalidGenotype, match="not an input in the vocabulary 'lion'"):
        OptimizerProgramSpace(vocabulary="lion").decode(design("adamw-corrected"))


def test_the_raw_and_the_reduced_program_share_a_fingerprint() -> None:
    space = OptimizerProgramSpace()
    live = (0, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 19)
    raw = from_rows(DESIGNS["lion-raw"])
    reduced = to_genotype(tuple(raw[place] for place in live))
    assert space.fingerprint(reduced) == space.fingerprint(design("lion-raw"))
    assert space.describe(reduced) == space.describe(design("lion-raw"))


def test_tuning_constants_leaves_the_form_alone() -> None:
    space, rng = OptimizerProgramSpace(mutation="constants"), np.random.default_rng(0)
    start = to_program(design("adamw"))
    child = to_program(space.mutate(design("adamw"), rng).genotype)
    assert child != start
    assert [[type(a) for a in statement] for statement in child] == [[type(a) for a in one] for one in start]
    assert [one[:2] for one in child] == [one[:2] for one in start]


def test_what_ignores_the_gradient_or_moves_uphill_is_drawn_again_and_counted() -> None:
    space, rng = OptimizerProgramSpace(), np.random.default_rng(1)
    redrawn: dict[str, int] = {}
    for _ in range(300):
        for why, count in space.mutate(design("adamw"), rng).redrawn.items():
            redrawn[why] = redrawn.get(why, 0) + count
    assert {"update does not depend on the gradient", "moves uphill"} <= set(redrawn)


def test_a_recipe_trains_with_the_program_and_keeps_everything_else() -> None:
    recipe = Text().baseline("mlp")
    changed = OptimizerProgramSpace().apply(design("lion"), recipe)
    assert isinstance(changed.update_rule, ProgramRule)
    assert changed.replace(update_rule=recipe.update_rule) == recipe


def test_the_corrected_adamw_trains_as_the_engines_own() -> None:
    task = Text(width=16, context=8)
    recipe = task.baseline("mlp").replace(weight_decay=0.1)
    data = task.data("train", "mlp")
    states = []
    for one in (recipe, OptimizerProgramSpace().apply(design("adamw-corrected"), recipe)):
        state = one.trainer.init(one, task.signature("mlp"), seed=3, device="cpu")
        for step in range(20):
            batch = (data.inputs[step * 8 : step * 8 + 8], data.targets[step * 8 : step * 8 + 8])
            one.trainer.step(state, batch, step=step)
        states.append(state.buffers)
    for name, buffer in states[0].items():
        torch.testing.assert_close(states[1][name], buffer, rtol=1e-3, atol=1e-5)


def test_reductions_are_shorter_rules_of_their_own() -> None:
    space = OptimizerProgramSpace()
    start = design("adamw")
    found = space.reductions(start)
    assert len({space.fingerprint(one) for one in (start, *found)}) == len(found) + 1
    assert all(len(to_program(one)) < len(to_program(start)) for one in found)
    without_decay = to_genotype(
        tuple(one for place, one in enumerate(from_rows(DESIGNS["adamw"])) if place not in (5, 6))
    )
    assert space.fingerprint(without_decay) in {space.fingerprint(one) for one in found}


def test_programs_cannot_be_asked_question_by_question() -> None:
    with pytest.raises(CannotEncode, match="evolution, random"):
        OptimizerProgramSpace().suggest(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocabulary": "adam"}, "'lion' or 'extended'"),
        ({"mutation": "some"}, "'all' or 'constants'"),
        ({"longest": 2}, "int in"),
        ({"redraws": 0}, "int in"),
        ({"insert": -1.0}, "weight >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        OptimizerProgramSpace(**settings)  # type: ignore[arg-type]
