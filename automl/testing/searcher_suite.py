"""What every searcher must keep; inherit it in a test file.

Why: resuming, extending and any number of workers rest on a searcher being a fold; no test of the engine can find out
later which searcher broke it. The rule: a subclass gives `searcher`, and `score` where its space is not the toy space.
"""

from typing import Any

import numpy as np

from automl.canonical import dumps, loads
from automl.contracts.history import Searcher
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Objective, Values
from automl.seeding import child
from automl.testing.dry_study import Trial, as_recorded, dry_study
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values


class SearcherSuite:
    """Conformance suite of `Searcher`.

    Attributes:
        objectives: what the searcher is built for.
        trials: length of the studies; long enough to leave the random start.
        depth: trained trials that may be open.
        cuts: after how many recorded trials a study is interrupted.
    """

    objectives: tuple[Objective, ...] = TOY_OBJECTIVES[:1]
    trials: int = 40
    depth: int = 4
    cuts: tuple[int, ...] = (1, 5, 14, 23, 39)

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        """Returns the searcher under test, for `space` and `self.objectives`."""
        raise TypeError(f"{type(self).__name__} must define searcher(self, space)")

    def space(self) -> SearchSpace:
        """Returns the space it proposes from."""
        return ToySpace()

    def score(self, genotype: Genotype) -> Values:
        """Returns the values of a genotype; expressions of one node are rejected, so that rejections occur."""
        score, size = toy_values(genotype)
        return (score, size)[: len(self.objectives)] if size > 1 else (None,) * len(self.objectives)

    def study(self, **changes: Any) -> list[Trial]:
        """Returns a dry study of a new searcher."""
        space = self.space()
        settings: dict[str, Any] = {"score": self.score, "trials": self.trials, "depth": self.depth, **changes}
        return dry_study(self.searcher(space), space=space, **settings)

    def test_a_study_interrupted_anywhere_goes_on_as_if_it_had_not_been(self) -> None:
        """Records with memos, read back from JSON, stand in for asks; what follows is the same."""
        whole = [_told(trial) for trial in self.study()]
        for cut in self.cuts:
            recorded = [as_recorded(opened) for opened, _ in self.study(trials=cut)]
            resumed = [_told(trial) for trial in self.study(recorded=recorded)]
            first = next((k for k in range(self.trials) if resumed[k] != whole[k]), None)
            assert first is None, f"interrupted after {cut} trials, trial {first} differs"

    def test_the_same_seed_gives_the_same_study(self) -> None:
        """All randomness comes from the generator that is handed in."""
        np.random.seed(1)
        once = [_told(trial) for trial in self.study()]
        np.random.seed(2)
        assert [_told(trial) for trial in self.study()] == once

    def test_every_proposal_is_a_genotype_of_the_space(self) -> None:
        """Proposals decode to themselves, also through JSON."""
        space = self.space()
        for opened, _ in self.study():
            assert space.decode(loads(dumps(space.encode(opened.genotype)))) == opened.genotype

    def test_memos_are_canonical_json_and_name_parents_and_operator(self) -> None:
        """Reports read "parents", "operator" and "redrawn"."""
        for opened, _ in self.study():
            assert loads(dumps(opened.memo)) == opened.memo
            assert isinstance(opened.memo["operator"], str) and isinstance(opened.memo["redrawn"], dict)
            assert all(0 <= parent < opened.number for parent in opened.memo["parents"])

    def test_missing_values_are_survived(self) -> None:
        """A study in which nothing is ever measured goes on, and so does one with gaps."""
        nothing = (None,) * len(self.objectives)
        assert len(self.study(score=lambda genotype: nothing, trials=15)) == 15
        gaps = (None, *(1.0 for _ in self.objectives[1:]))
        assert len(self.study(score=lambda genotype: gaps if "b4" in genotype else self.score(genotype))) == self.trials

    def test_open_trials_alone_are_enough_to_ask(self) -> None:
        """A driver may have more trials open than were ever closed."""
        proposed = self.study(trials=12, depth=100)
        assert len({opened.fingerprint for opened, _ in proposed}) > 1

    def test_asking_changes_nothing_that_was_handed_in(self) -> None:
        """Pending genotypes are read only."""
        space = self.space()
        searcher = self.searcher(space)
        pending = (space.sample(child(0, "pending")).genotype,)
        before = dumps(list(pending))
        recorded = [opened for opened, _ in self.study(trials=1)]
        state = searcher.restore(searcher.init(), recorded[0])
        searcher.ask(state, pending, 1, child(0, "ask", 1))
        assert dumps(list(pending)) == before


def _told(trial: Trial) -> str:
    opened, closed = trial
    genotype, memo = opened.genotype, dict(opened.memo)
    return dumps({"genotype": genotype, "memo": memo, "outcome": closed.outcome, "values": list(closed.values)})
