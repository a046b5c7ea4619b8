"""What every search space must keep; inherit it in a test file.

Why: the engine trusts a space to be pure and closed; a mutation that does not decode, or a fingerprint that changes
with the order of keys, would surface as a corrupt study weeks later. The rule: a subclass gives `space`.
"""

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.contracts.space import Draw, Genotype, SearchSpace
from automl.errors import InvalidGenotype

seeds = st.integers(0, 2**32 - 1)
examples = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class SpaceSuite:
    """Conformance suite of `SearchSpace`."""

    def space(self) -> SearchSpace:
        """Returns the space under test."""
        raise TypeError(f"{type(self).__name__} must define space(self)")

    @examples
    @given(seed=seeds)
    def test_whatever_it_draws_decodes_to_itself(self, seed: int) -> None:
        """Closure: sample, mutate and crossover stay inside, also through JSON."""
        space, rng = self.space(), np.random.default_rng(seed)
        for genotype in self._relatives(rng):
            text = dumps(space.encode(genotype))
            assert space.decode(loads(text)) == genotype
            assert dumps(loads(text)) == text

    @examples
    @given(seed=seeds)
    def test_the_same_generator_draws_the_same(self, seed: int) -> None:
        """Purity: no randomness of its own, no memory."""
        first, second = (self._relatives(np.random.default_rng(seed)) for _ in range(2))
        assert [dumps(genotype) for genotype in first] == [dumps(genotype) for genotype in second]

    @examples
    @given(seed=seeds)
    def test_verbs_leave_their_inputs_alone(self, seed: int) -> None:
        """Purity: genotypes are read only."""
        space, rng = self.space(), np.random.default_rng(seed)
        first, second = space.sample(rng).genotype, space.sample(rng).genotype
        before = copy.deepcopy((first, second))
        space.mutate(first, rng)
        space.crossover(first, second, rng)
        space.describe(first)
        space.fingerprint(first)
        assert (first, second) == before

    @examples
    @given(seed=seeds)
    def test_verbs_do_not_depend_on_the_order_of_keys(self, seed: int) -> None:
        """A genotype that was stored comes back with sorted keys and is the same genotype."""
        space = self.space()
        genotype = space.sample(np.random.default_rng(seed)).genotype
        stored: Genotype = loads(dumps(genotype))
        child, stored_child = (space.mutate(g, np.random.default_rng(seed)).genotype for g in (genotype, stored))
        assert dumps(child) == dumps(stored_child)
        assert space.fingerprint(genotype) == space.fingerprint(stored)
        assert space.describe(genotype) == space.describe(stored)

    @examples
    @given(seed=seeds)
    def test_most_mutations_are_another_genotype(self, seed: int) -> None:
        """A mutation that changes nothing wastes a trial."""
        space, rng = self.space(), np.random.default_rng(seed)
        genotype = space.sample(rng).genotype
        changed = [dumps(space.mutate(genotype, rng).genotype) != dumps(genotype) for _ in range(8)]
        assert sum(changed) >= 4

    @examples
    @given(seed=seeds)
    def test_answers_that_are_missing_or_not_asked_for_are_refused(self, seed: int) -> None:
        """Decoding is strict."""
        space, rng = self.space(), np.random.default_rng(seed)
        answers = dict(space.encode(space.sample(rng).genotype))
        if answers:
            less = {name: answer for name, answer in answers.items() if name != min(answers)}
            with pytest.raises(InvalidGenotype):
                space.decode(less)
        with pytest.raises(InvalidGenotype):
            space.decode({**answers, "no such question": 0})

    @pytest.mark.parametrize("data", [None, 7, "text", [1, 2], {"x" * 10: {"deep": [[]]}}], ids=repr)
    def test_data_that_is_no_genotype_is_refused(self, data: Any) -> None:
        """Untrusted data raises `InvalidGenotype` and nothing else."""
        with pytest.raises(InvalidGenotype):
            self.space().decode(data)

    def test_published_designs_are_genotypes_with_their_own_fingerprints(self) -> None:
        """The zoo decodes, and no two designs are the same function."""
        space = self.space()
        designs = space.zoo()
        assert all(space.decode(loads(dumps(space.encode(design)))) == design for design in designs.values())
        assert len({space.fingerprint(design) for design in designs.values()}) == len(designs)

    def test_it_says_what_it_is(self) -> None:
        """Name, version and slots are what studies are stored under."""
        space = self.space()
        assert space.name and space.name == space.name.lower()
        assert space.version >= 1
        assert space.slots

    def test_the_current_version_needs_no_upgrade(self) -> None:
        """Upgrading from the same version is the identity."""
        space = self.space()
        genotype = space.sample(np.random.default_rng(0)).genotype
        assert space.upgrade(genotype, space.version) == genotype

    def _relatives(self, rng: np.random.Generator) -> list[Genotype]:
        space = self.space()
        first, second = space.sample(rng), space.sample(rng)
        children: list[Draw] = [
            space.mutate(first.genotype, rng),
            space.crossover(first.genotype, second.genotype, rng),
        ]
        grandchild = space.mutate(children[1].genotype, rng)
        return [draw.genotype for draw in (first, second, *children, grandchild)]
