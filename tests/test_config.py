"""Settings: what a component may be given, strict reading, sources and their order."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.config import (
    SearchOptions,
    check,
    coerce,
    device,
    fields_of,
    filter_settings,
    first_free_name,
    read_genotypes,
    search_arguments,
    sections,
    storage_url,
    tracking_uri,
)
from automl.config.sections import assignments, flatten
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.filters.cost import Cost
from automl.filters.zero_cost import ZeroCost
from automl.searchers.evolution import Evolution


@dataclass(frozen=True, kw_only=True)
class Base:
    """A component.

    Attributes:
        steps: how many, >= 1.
        rate: how fast,
            in units per step.
    """

    steps: int = 10
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Component(Base):
    """A component that derives from another.

    Attributes:
        kind: which.
    """

    wiring: object
    kind: Literal["small", "large"] = "small"
    ends: Sequence[int] = ()
    pair: tuple[int, float] = (1, 2.0)
    limit: int | None = None
    label: str | None = None
    fast: bool = False
    path: str
    _cache: dict[str, Any] = field(default_factory=dict)


class Plain:
    """A class that is no dataclass.

    Args:
        depth: how deep.
    """

    def __init__(self, depth: int = 3, parts: object = None) -> None:
        self.depth = depth


def test_settings_are_the_simple_public_fields_with_their_documentation() -> None:
    found = fields_of(Component)
    assert list(found) == ["steps", "rate", "kind", "ends", "pair", "limit", "label", "fast", "path"]
    assert found["rate"].doc == "how fast, in units per step."
    assert found["kind"].doc == "which." and found["steps"].default == 10
    assert found["path"].default is dataclasses.MISSING


def test_a_plain_class_is_described_by_its_constructor() -> None:
    assert {name: (one.type, one.default, one.doc) for name, one in fields_of(Plain).items()} == {
        "depth": (int, 3, "how deep.")
    }
    assert fields_of(object) == {}


def test_what_a_contract_asks_for_is_no_setting() -> None:
    assert list(fields_of(Cost)) == ["max_parameters_ratio", "max_flops_ratio"]
    assert {"crossover", "population", "seeds"} <= set(fields_of(Evolution))
    assert not {"space", "objectives", "name"} & set(fields_of(Evolution))


@pytest.mark.parametrize("cls", [Cost, ZeroCost, Evolution, SearchOptions])
def test_every_setting_is_documented(cls: type) -> None:
    assert all(one.doc for one in fields_of(cls).values())


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        (3, int, 3),
        ("3.5", float, 3.5),
        ("1e-3", float, 1e-3),
        (3, float, 3.0),
        ("true", bool, True),
        (False, bool, False),
        ("none", str, "none"),
        ("none", str | None, None),
        (None, int | None, None),
        ("7", int | None, 7),
        ("7", int | str, 7),
        ("x", int | str, "x"),
        ("small", Literal["small", "none"], "small"),
        ("none", Literal["small", "none"], "none"),
        ("2", Literal[1, 2], 2),
        ("10, 100", tuple[int, ...], (10, 100)),
        ([10, 100], Sequence[int], (10, 100)),
        ("", Sequence[int], ()),
        ("1,2.5", tuple[int, float], (1, 2.5)),
        ("a=b,c", str, "a=b,c"),
    ],
)
def test_values_are_read_as_their_type(given: object, kind: Any, expected: object) -> None:
    value = coerce("task.x", given, kind)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("given", "kind", "allowed"),
    [
        ("3.5", int, "an int"),
        ("1e3", int, "an int"),
        ("1_000", int, "an int"),
        ("", int, "an int"),
        (3.0, int, "an int"),
        (True, int, "an int"),
        ("nan", float, "a finite number"),
        ("inf", float, "a finite number"),
        (float("inf"), float, "a finite number"),
        (True, float, "a finite number"),
        ("yes", bool, "true or false"),
        (1, bool, "true or false"),
        (1, str, "a text"),
        ("none", int, "an int"),
        ("x", int | None, "an int or none"),
        ("big", Literal["small", "large"], "one of 'small', 'large'"),
        (True, Literal[1, 2], "one of 1, 2"),
        ("1,x", tuple[int, ...], "values between commas, each an int"),
        (5, Sequence[int], "values between commas"),
        ("1", tuple[int, float], "values between commas"),
        ({"a": 1}, float, "a finite number"),
        ([1], int, "an int"),
    ],
)
def test_what_is_not_of_the_type_is_refused(given: object, kind: Any, allowed: str) -> None:
    with pytest.raises(InvalidSetting, match="task.x=") as caught:
        coerce("task.x", given, kind)
    assert allowed in caught.value.allowed


@given(st.integers())
def test_an_int_written_as_text_reads_back(number: int) -> None:
    assert coerce("x", str(number), int) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_as_text_reads_back(number: float) -> None:
    assert coerce("x", repr(number), float) == number


@given(st.text())
def test_text_is_taken_as_it_is_or_refused(text: str) -> None:
    assert coerce("x", text, str) == text
    for kind in (int, float, bool, tuple[int, ...], int | None):
        try:
            coerce("x", text, kind)
        except InvalidSetting:
            continue


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'task\.steps'\?"):
        check("task", Component, {"step": "5"})
    assert check("task", Component, {"steps": "5", "fast": "true"}) == {"steps": 5, "fast": True}


def test_settings_fall_into_sections() -> None:
    settings = {"task.steps": 200, "filter.cost.max_flops_ratio": "3", "searcher": {"seeds": "none"}}
    found = sections(settings, filters=["cost", "quality"])
    assert found == {
        "space": {},
        "task": {"steps": 200},
        "searcher": {"seeds": "none"},
        "executor": {},
        "filter.cost": {"max_flops_ratio": "3"},
        "filter.quality": {},
    }


@pytest.mark.parametrize(
    ("name", "near"),
    [("tsk.steps", "task.steps"), ("filter.qualty.step", "filter.quality.step"), ("steps", "task.steps")],
)
def test_an_unknown_section_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        sections({name: 1}, filters=["cost", "quality"])
    assert near in str(caught.value)


def test_a_filter_is_switched_off_by_enabled() -> None:
    assert filter_settings("cost", Cost, {}) == {}
    assert filter_settings("cost", Cost, {"enabled": "true", "max_flops_ratio": "3"}) == {"max_flops_ratio": 3.0}
    assert filter_settings("cost", Cost, {"enabled": "false"}) is None
    assert filter_settings("cost", Cost, {}, on=False) is None
    assert filter_settings("cost", Cost, {"max_flops_ratio": "3"}, on=False) == {"max_flops_ratio": 3.0}
    with pytest.raises(InvalidSetting, match=r"filter\.cost\.enabled='off'"):
        filter_settings("cost", Cost, {"enabled": "off"})
    with pytest.raises(UnknownName, match=r"filter\.cost\.max_flops_ratio"):
        filter_settings("cost", Cost, {"enabled": "false", "max_flop_ratio": "3"})


def test_a_filter_that_is_off_by_default_is_switched_on_by_enabled_or_by_a_setting() -> None:
    assert list(fields_of(ZeroCost)) == ["proxy", "beside", "keep", "learn", "confidence"]
    assert filter_settings("zero-cost", ZeroCost, {}, on=False) is None
    assert filter_settings("zero-cost", ZeroCost, {"enabled": "true"}, on=False) == {}
    given = {"proxy": "naswot", "beside": "snip, flops", "keep": "0.75"}
    found = filter_settings("zero-cost", ZeroCost, given, on=False)
    assert found == {"proxy": "naswot", "beside": ("snip", "flops"), "keep": 0.75}
    with pytest.raises(InvalidSetting, match=r"filter\.zero-cost\.proxy='fisher'"):
        filter_settings("zero-cost", ZeroCost, {"proxy": "fisher"})


def test_assignments_split_at_the_first_equals_sign() -> None:
    assert assignments(["a.b=c=d", "x = 1", "x=2", "empty="]) == {"a.b": "c=d", "x": "2", "empty": ""}
    for wrong in ("novalue", "=1"):
        with pytest.raises(UsageError, match="--set"):
            assignments([wrong])


def test_nested_and_dotted_names_flatten_alike() -> None:
    assert flatten({"task": {"steps": 1}, "filter.cost.enabled": False}) == {
        "task.steps": 1,
        "filter.cost.enabled": False,
    }


TOML = """
space = "norm-act"
trials = 200
tracking-uri = "sqlite:///x.db"
[set]
task.steps = 200
filter.quality.times_chance = 2.5
[set.searcher]
seeds = "none"
"""


def toml(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_options_win_over_the_file_and_set_over_its_table(tmp_path: Path) -> None:
    given = {"trials": 5, "workers": None, "space": None}
    found = search_arguments(given, file=toml(tmp_path, TOML), set_arguments=["task.steps=7"])
    assert found == {
        "space": "norm-act",
        "trials": 5,
        "tracking_uri": "sqlite:///x.db",
        "settings": {"task.steps": "7", "filter.quality.times_chance": 2.5, "searcher.seeds": "none"},
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('spce = "x"', UnknownName, "Did you mean 'space'"),
        ('space = "x"\ntrials = "many"', InvalidSetting, "trials='many'"),
        ('space = "x"\ntrials = 1.5', InvalidSetting, "an int"),
        ('space = "x"\nset = 3', InvalidSetting, "a table"),
        ("space = ", UsageError, "not TOML"),
        ("trials = 3", UsageError, "No search space"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        search_arguments({}, file=toml(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: No such file"):
        search_arguments({"space": "x"}, file=tmp_path / "none.toml")


def test_environment_stands_between_defaults_and_options() -> None:
    environ = {"AUTOML_STORAGE": "sqlite:///a.db", "MLFLOW_TRACKING_URI": "http://b", "AUTOML_DEVICE": "cuda"}
    assert storage_url(environ={}) == "sqlite:///.automl/studies.db"
    assert storage_url(environ=environ) == "sqlite:///a.db"
    assert storage_url("sqlite:///c.db", environ=environ) == "sqlite:///c.db"
    assert tracking_uri(environ={}) == "sqlite:///.automl/mlflow.db"
    assert tracking_uri(environ=environ) == "http://b"
    assert tracking_uri("http://c", environ=environ) == "http://c"
    assert [device(environ={}), device(environ=environ), device("cpu", environ=environ)] == ["auto", "cuda", "cpu"]


def test_a_wrong_device_names_where_it_came_from() -> None:
    with pytest.raises(InvalidSetting, match="^device='tpu'"):
        device("tpu", environ={})
    with pytest.raises(InvalidSetting, match="^AUTOML_DEVICE='gpu'"):
        device(environ={"AUTOML_DEVICE": "gpu"})


def test_a_study_without_a_name_gets_the_first_free_one() -> None:
    assert first_free_name("norm-act", "digits", taken=[]) == "norm-act-digits-1"
    assert first_free_name("norm-act", "digits", taken=["norm-act-digits-1", "x"]) == "norm-act-digits-2"
    assert first_free_name('a/my.py:MySpace?{"size":3}', "pkg.mod:A_B", taken=[]) == "myspace-a-b-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"op": "add"}', [{"op": "add"}]),
        ('[{"op": "add"}, {"op": "mul"}]', [{"op": "add"}, {"op": "mul"}]),
        ('[{"trial": 3, "genotype": {"op": "add"}}]', [{"op": "add"}]),
        ('{"genotype": 3}', [{"genotype": 3}]),
    ],
)
def test_warm_starts_are_read_from_exports_lists_and_rows(tmp_path: Path, text: str, expected: list[Any]) -> None:
    path = tmp_path / "genotypes.json"
    path.write_text(text)
    assert read_genotypes(path) == expected
    assert search_arguments({"space": "x", "warm_start": str(path)})["warm_start"] == expected


@pytest.mark.parametrize(("text", "message"), [("[1]", "holds no genotypes"), ("{", "Not JSON")])
def test_a_file_without_genotypes_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "genotypes.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_genotypes(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_genotypes(tmp_path / "none.json")
