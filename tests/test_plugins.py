"""Locators: every form finds the same thing, and every mistake ends in one sentence."""

import importlib.util
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.authoring import SuggestedSpace
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.plugins import (
    build,
    canonical_locator,
    code_digest,
    installed,
    object_locator,
    pack,
    parse,
    resolve,
    unpack,
)
from automl.testing.toy_space import ToySpace

TOY = "automl.testing.toy_space:ToySpace"

SOURCE = """
from dataclasses import dataclass
from automl.authoring import SuggestedSpace
from automl.errors import InvalidSetting

@dataclass(frozen=True)
class Slope(SuggestedSpace):
    limit: float = 0.5
    ends: tuple = ()
    name = "slope"
    def __post_init__(self):
        if self.limit <= 0:
            raise InvalidSetting("space.limit", self.limit, "a number > 0")
        if self.limit == 13:
            raise ZeroDivisionError("thirteen")
    def suggest(self, trial):
        trial.suggest_float("slope", 0.0, self.limit)
    def apply(self, genotype, recipe):
        return recipe

class NoSpace:
    name = "none"
    version = 1

ready = Slope(limit=0.25)
def make(limit=1.0):
    return Slope(limit=limit)
"""


@dataclass(frozen=True)
class Scaled(SuggestedSpace):
    """A space with a setting, for objects given by value."""

    scale: float = 1.0
    name = "scaled"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slopes.py"
    path.write_text(SOURCE)
    return path


def test_installed_things_are_listed_by_name() -> None:
    assert installed("search space")["norm-act"] == "search_spaces.norm_act:NormActSpace"
    assert {"digits", "digits-archs", "images"} <= set(installed("task"))


def test_listing_imports_no_plug_in() -> None:
    code = "import sys; from automl.plugins import installed; installed('task'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"automl.training", "search_spaces", "torch"} & set(done.stdout.split())


def test_a_module_locator_gives_an_instance() -> None:
    assert isinstance(resolve("search space", TOY), ToySpace)


def test_an_installed_task_takes_settings() -> None:
    task: Any = resolve("task", 'digits?{"rung_ends":[10,50],"steps":120}')
    assert (task.name, task.steps, task.rung_ends) == ("digits", 120, (10, 50))


def test_a_file_locator_gives_class_factory_or_instance(file: Path) -> None:
    assert resolve("search space", f"{file}:Slope").limit == 0.5
    assert resolve("search space", f'{file}:Slope?{{"limit":2}}').limit == 2
    assert resolve("search space", f'{file}:make?{{"limit":3}}').limit == 3
    assert resolve("search space", f"{file}:ready").limit == 0.25


def test_an_edited_file_is_a_new_plug_in(file: Path) -> None:
    before, digest_before = resolve("search space", f"{file}:Slope"), code_digest(f"{file}:Slope")
    file.write_text(SOURCE.replace("limit: float = 0.5", "limit: float = 0.75"))
    after = resolve("search space", f"{file}:Slope")
    assert (before.limit, after.limit) == (0.5, 0.75)
    assert code_digest(f"{file}:Slope") != digest_before


def test_only_files_have_a_code_digest(file: Path) -> None:
    assert code_digest("norm-act") is code_digest(TOY) is code_digest("object:12") is None
    assert len(code_digest(f"{file}:Slope") or "") == 16


def test_a_canonical_locator_has_an_absolute_path_and_sorted_merged_settings(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    found = canonical_locator("search space", 'slopes.py:Slope?{"limit":1,"b":2}', {"limit": 3, "a": [1]})
    assert found == f'{file.resolve()}:Slope?{{"a":[1],"b":2,"limit":3}}'
    assert canonical_locator("task", "digits", {}) == "digits"


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_a_canonical_locator_stays_as_it_is(settings: dict[str, Any]) -> None:
    once = canonical_locator("search space", TOY, settings)
    assert canonical_locator("search space", once, {}) == once
    assert parse(once).settings == settings


@pytest.mark.parametrize(
    ("kind", "locator", "error", "message"),
    [
        ("search space", "norm_act", UnknownName, "Did you mean 'norm-act'"),
        ("task", "digitz", UnknownName, "Unknown task 'digitz'. Did you mean 'digits'"),
        ("search space", "automl.testing.toy_space:ToySpac", UnknownName, "Did you mean 'ToySpace'"),
        ("search space", "no_such_package.module:Name", UsageError, "No module 'no_such_package.module'"),
        ("search space", "/no/such/file.py:Name", UsageError, "/no/such/file.py cannot be read: No such file"),
        ("search space", "file.py", UsageError, "is no locator"),
        ("search space", "a:b c", UsageError, "is no locator"),
        ("search space", "", UsageError, "is no locator"),
        ("search space", "norm-act?{", UsageError, "not JSON"),
        ("search space", 'norm-act?{"a":NaN}', UsageError, "not JSON"),
        ("search space", "object:12ab", UnknownName, "Unknown search space object 'object:12ab'"),
        ("task", 'digits?{"step":3}', UnknownName, "Did you mean 'steps'"),
        ("task", 'digits?{"steps":"many"}', InvalidSetting, "task.steps='many'"),
        ("task", TOY, UsageError, "ToySpace is no task: it lacks "),
    ],
)
def test_a_mistake_is_named(kind: Any, locator: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        resolve(kind, locator)
    assert message in str(caught.value)


def test_a_class_without_the_verbs_says_which(file: Path) -> None:
    with pytest.raises(UsageError, match=r"NoSpace is no search space: it lacks slots, suggestible, suggest, apply,"):
        resolve("search space", f"{file}:NoSpace")


def test_an_instance_takes_no_settings(file: Path) -> None:
    with pytest.raises(UsageError, match="already built, so it takes no settings"):
        resolve("search space", f'{file}:ready?{{"limit":3}}')


def test_a_constructor_s_own_errors_pass_and_others_are_explained(file: Path) -> None:
    with pytest.raises(InvalidSetting, match="space.limit=-1"):
        resolve("search space", f'{file}:Slope?{{"limit":-1}}')
    with pytest.raises(UsageError, match="search space Slope cannot be built: ZeroDivisionError: thirteen"):
        resolve("search space", f'{file}:Slope?{{"limit":13}}')


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n1 / 0", r"failed \(line 2\): ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", r"failed \(line 2\): SystemExit: 3"),
        ("import no_such_thing", r"failed \(line 1\): ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_file_that_raises_on_import_is_explained_every_time(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    for _ in range(2):
        with pytest.raises(UsageError, match=message):
            resolve("search space", f"{path}:Name")


def test_an_object_is_found_under_its_locator() -> None:
    space = Scaled(scale=2.0)
    locator = object_locator(space)
    assert resolve("search space", locator, objects={locator: space}) is space


def test_equal_objects_share_a_locator_and_others_do_not() -> None:
    assert object_locator(Scaled(scale=2.0)) == object_locator(Scaled(scale=2.0))
    assert object_locator(Scaled(scale=2.0)) != object_locator(Scaled(scale=3.0))
    assert object_locator(Scaled()) != object_locator(ToySpace())


def test_an_object_s_locator_is_the_same_in_another_process() -> None:
    imports = "from automl.testing.toy_space import ToySpace; from automl.plugins import object_locator"
    code = f"{imports}; print(object_locator(ToySpace()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == object_locator(ToySpace())


def test_a_class_is_built_and_an_object_taken_as_it_is() -> None:
    space = ToySpace()
    assert build("search space", space) is space
    assert isinstance(build("search space", ToySpace), ToySpace)
    with pytest.raises(UsageError, match="int is no search space"):
        build("search space", 3)


def test_an_object_of_main_reaches_another_process(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        SOURCE + "from automl.plugins import pack\nprint(pack(Slope(limit=0.125)))\n",
    )
    packed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.strip()
    code = "import sys; from automl.plugins import unpack; print(unpack(sys.argv[1]).limit)"
    done = subprocess.run([sys.executable, "-c", code, packed], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.125"


def test_packing_gives_the_object_back() -> None:
    assert unpack(pack(Scaled(scale=4.0))) == Scaled(scale=4.0)


def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    space = ToySpace()
    with (tmp_path / "open").open("w") as opened:
        space.file = opened
        with pytest.raises(UsageError, match="ToySpace cannot be sent to worker processes"):
            pack(space)


def test_a_task_s_properties_are_not_asked_when_verbs_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "tasks.py"
    names = ["name", "legs", "rungs", "baseline", "data", "measure", "values", "signature"]
    verbs = "\n".join(f"    {name} = None or 1" for name in names)
    text = f"class Loud:\n{verbs}\n    @property\n    def objectives(self):\n        raise RuntimeError('asked')\n"
    path.write_text(textwrap.dedent(text))
    assert type(resolve("task", f"{path}:Loud")).__name__ == "Loud"


def test_an_object_of_a_module_that_only_this_process_knows_reaches_another_one(file: Path) -> None:
    spec = importlib.util.spec_from_file_location("known_to_us_alone", file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        packed = pack(module.Slope(limit=0.125))
    finally:
        del sys.modules[spec.name]
    code = f"from automl.plugins import unpack; s = unpack({packed!r}); print(s.limit, s.decode({{'slope': 0}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.125 {'slope': 0.0}\n"


def test_an_object_of_an_importable_module_is_sent_by_name() -> None:
    assert len(pack(ToySpace())) < 200
