"""A study that starts from an earlier one: of a space that derives its genotypes, or of the same space."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import automl
from automl.cli.app import app
from automl.errors import HeaderMismatch, StudyNotFound, UsageError

pytestmark = pytest.mark.slow  # each starts studies, and with them workers

SPACES = '''
from dataclasses import dataclass

import automl
from automl.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Count(automl.SuggestedSpace):
    """A number that changes the learning rate."""

    name, slots = "count", frozenset({"learning_rate"})
    most: int = 50

    def suggest(self, trial):
        trial.suggest_int("n", 1, self.most)

    def apply(self, genotype, recipe):
        return recipe.replace(learning_rate=recipe.learning_rate * genotype["n"] / 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting(Supervised):
    first: int

    def report(self, state, requests):
        steps = len(state.norms)
        return {"derived": [{"step": step, "genotype": {"n": self.first + step}} for step in range(1, steps + 1)]}


class Deriving(automl.SuggestedSpace):
    """Its training derives a number a step."""

    name, slots = "deriving", frozenset({"trainer"})
    derives = f"{__file__}:Count"

    def suggest(self, trial):
        trial.suggest_categorical("first", [10, 20, 30])

    def apply(self, genotype, recipe):
        return recipe.replace(trainer=Counting(first=genotype["first"]))

    def draw_derived(self, genotype, axes):
        pass
'''
SHORT = {"task.steps": 4, "task.width": 4, "task.rung_ends": [2], "filter.quality.enabled": False}


class Other(automl.SuggestedSpace):
    """A space of its own."""

    name, slots = "other", frozenset({"learning_rate"})

    def suggest(self, trial: Any) -> None:
        trial.suggest_int("n", 1, 50)

    def apply(self, genotype: Any, recipe: Any) -> Any:
        return recipe


def options(folder: Path, **changes: Any) -> dict[str, Any]:
    storage = f"sqlite:///{folder / 'studies.db'}"
    return {"storage": storage, "settings": SHORT, "track": "none", "searcher": "random", **changes}


def started_with(study: automl.Study) -> list[int]:
    """Returns the numbers that stand in the header as the warm start, after seeing that they were proposed."""
    given = [one["n"] for one in study.log.header["searcher"]["warm_start"]]
    assert [one.genotype["n"] for one in study.log.opened[: len(given)]] == given
    return given


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns where two studies lie: "cells", which has derived numbers, and "numbers", an ordinary one."""
    folder = tmp_path_factory.mktemp("warm_start")
    (folder / "spaces.py").write_text(SPACES)
    seeds = [{"first": 10}, {"first": 20}]
    automl.search(f"{folder}/spaces.py:Deriving", study="cells", trials=2, warm_start=seeds, **options(folder))
    given = [{"n": 50}, {"n": 5}, {"n": 30}]
    automl.search(f"{folder}/spaces.py:Count", study="numbers", trials=3, warm_start=given, **options(folder))
    return folder


@pytest.fixture(scope="module")
def count(folder: Path) -> str:
    return f"{folder}/spaces.py:Count"


def test_derived_genotypes_are_proposed_first_the_last_ones_in_front(folder: Path, count: str) -> None:
    study = automl.search(count, study="from-cells", trials=16, trained=5, warm_start="cells", **options(folder))
    assert started_with(study) == [14, 24, 12, 22], "a quarter of 16: the last of two runs, and the middle of each"
    assert study.log.header["searcher"]["warm_start_study"] == "cells"
    assert study.show(0)["memo"]["operator"] == "given"


def test_the_same_call_goes_on_whatever_became_of_the_earlier_study(folder: Path, count: str) -> None:
    call = {**options(folder), "study": "again", "warm_start": "numbers"}
    first = automl.search(count, trials=4, **call)
    assert len(started_with(first)) == 1
    automl.resume("numbers", trials=6, storage=call["storage"], track="none")
    second = automl.search(count, trials=5, **call)
    assert started_with(second) == started_with(first) and len(second.log.closed) == 5
    with pytest.raises(HeaderMismatch, match="warm_start"):
        automl.search(count, trials=5, **{**call, "warm_start": "cells"})


def test_of_the_same_space_its_best_trials_are_taken(folder: Path, count: str) -> None:
    earlier = automl.load_study("numbers", storage=options(folder)["storage"])
    best = [one["genotype"]["n"] for one in earlier.top(2)]
    assert started_with(automl.search(count, study="best", trials=8, warm_start="numbers", **options(folder))) == best


def test_a_space_given_by_value_starts_from_its_own_kind(folder: Path) -> None:
    call = options(folder)
    automl.search(Other(), study="by-value", trials=1, **call)
    assert len(started_with(automl.search(Other(), study="on", trials=2, warm_start="by-value", **call))) == 1


def test_a_study_that_cannot_help_is_refused_before_a_study_exists(folder: Path, count: str) -> None:
    call = {**options(folder), "study": "never", "trials": 8}
    with pytest.raises(UsageError, match="study 'cells' is of .*Deriving and derives genotypes of .*Count, not of n"):
        automl.search("norm-act", warm_start="cells", **call)
    with pytest.raises(UsageError, match="study 'numbers' is of .*Count, not of norm-act"):
        automl.search("norm-act", warm_start="numbers", **call)
    with pytest.raises(StudyNotFound, match="nowhere"):
        automl.search(count, warm_start="nowhere", **call)
    with pytest.raises(UsageError, match=r"does not take.*n is 1?24.*Set the space as it was there"):
        automl.search(count, warm_start="cells", **{**call, "settings": {**SHORT, "space.most": 15}})
    with pytest.raises(UsageError, match="was given by value"):
        automl.search(Other(), study="thing", trials=1, **options(folder))
        automl.search(count, warm_start="thing", **call)
    known = [one["study"] for one in automl.list_studies(call["storage"])]
    assert "never" not in known


def test_a_study_without_finds_is_refused(folder: Path, count: str) -> None:
    strict = {"filter.quality.enabled": True, "filter.quality.times_chance": 9.9, "filter.quality.step": 2}
    call = options(folder, settings={**SHORT, **strict})
    automl.search(count, study="empty", trials=1, **call)
    with pytest.raises(UsageError, match="nothing to start from, because none of its trials has completed"):
        automl.search(count, study="never", trials=8, warm_start="empty", **options(folder))


def test_the_command_line_takes_a_study_or_a_file(
    folder: Path, count: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thing.json").write_text('[{"n": 7}]')
    written = {**SHORT, "task.rung_ends": 2}
    settings = [f"--set={name}={str(value).lower()}" for name, value in written.items()]
    place = ["--storage", options(folder)["storage"], "--track", "none", "--searcher", "random"]
    for study, start, expected in (("cli-1", "cells", [14, 24]), ("cli-2", "thing.json", [7])):
        command = ["search", count, "--study", study, "--trials", "8", "--trained", "1", "--warm-start", start]
        done = CliRunner().invoke(app, [*command, *place, *settings])
        assert done.exit_code == 0, done.stderr
        log = automl.load_study(study, storage=options(folder)["storage"]).log
        assert [one["n"] for one in log.header["searcher"]["warm_start"]] == expected
    for wrong, message in (("nothing", "No study 'nothing'"), ("none.json", "cannot be read")):
        done = CliRunner().invoke(app, ["search", count, "--study", "x", "--warm-start", wrong, *place, *settings])
        assert done.exit_code == 2 and message in done.stderr
