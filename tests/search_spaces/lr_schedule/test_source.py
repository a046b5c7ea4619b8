"""The printed file stands alone, passes the check of exports, and gives the numbers of the schedule."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from automl.export.candidate_check import check_source, has_self_test
from automl.export.torch_source import write_candidate
from search_spaces.lr_schedule import LrScheduleSpace
from search_spaces.lr_schedule.curve import Curve
from search_spaces.lr_schedule.families import FAMILIES, OPEN_LOOP, REACTIVE

SPACE = LrScheduleSpace(families=tuple(FAMILIES))
HORIZONS = (1, 2, 3, 7, 50, 400)

CHECK = textwrap.dedent(
    """
    import importlib.util, json, sys, torch

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("automl", "search_spaces"):
                raise ImportError("the file must stand alone")

    sys.meta_path.insert(0, Refuse())
    torch.set_num_threads(1)
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    for number, (path, expected) in enumerate(cases):
        spec = importlib.util.spec_from_file_location(f"candidate{number}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.self_test()
        for case in expected:
            if "table" in case:
                found, wanted = module.table(case["steps"]), case["table"]
                assert module.multiplier(case["steps"] + 5, case["steps"]) == found[-1]
            else:
                state, found, wanted = module.start(case["steps"]), [], case["factors"]
                for step, (loss, dot, norm) in enumerate(case["signals"]):
                    factor, state = module.multiplier(state, step=step, loss=loss, dot=dot, norm=norm)
                    found.append(factor)
            gap = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
            assert gap <= 1e-12, (path, case["steps"], gap)
    """
)


def run_of(rule, rng) -> dict:
    seen = [[float(loss), float(dot), float(norm)] for loss, dot, norm in rng.normal(size=(100, 3)) ** [2, 1, 2]]
    state, factors = rule.init(100), []
    for step, (loss, dot, norm) in enumerate(seen):
        factor, state = rule.multiplier(state, step, {"loss": loss, "gradient_dot": dot, "gradient_l2": norm})
        factors.append(factor)
    return {"steps": 100, "signals": seen, "factors": factors}


@pytest.mark.slow
def test_the_file_alone_gives_the_numbers_of_the_schedule(tmp_path, random_rule):
    drawn = [random_rule(family, seed) for family in FAMILIES for seed in range(5)]
    rules = [*map(SPACE.rule, SPACE.zoo().values()), *drawn]
    cases = []
    for number, rule in enumerate(rules):
        path, rng = tmp_path / f"candidate{number}.py", np.random.default_rng(number)
        path.write_text(SPACE.source(SPACE.from_rule(rule)), encoding="utf-8")
        tables = (
            [{"steps": steps, "table": rule.multipliers(steps).tolist()} for steps in HORIZONS]
            if isinstance(rule, Curve)
            else [run_of(rule, rng)]
        )
        cases.append((str(path), tables))
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "check.py").write_text(CHECK)
    command = [sys.executable, "-I", str(tmp_path / "check.py"), str(tmp_path / "cases.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ok: ") == len(rules)


@pytest.mark.parametrize("family", FAMILIES)
def test_exports_accept_the_file_and_its_lines_fit_a_page(family, random_rule):
    text = SPACE.source(SPACE.from_rule(random_rule(family, 3)))
    assert set(check_source(text)) <= {"math", "torch", "torch.nn", "torch.optim", "torch.optim.lr_scheduler"}
    assert has_self_test(text)
    assert max(map(len, text.splitlines())) <= 120
    compile(text, family, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cosine-power", "hypergradient"])
def test_an_export_runs_the_file_as_a_program(tmp_path, name):
    evidence = write_candidate(SPACE.source(SPACE.zoo()[name]), tmp_path / "candidate.py")
    assert evidence.self_test and evidence.output.startswith("ok: ")


@pytest.mark.parametrize("family", OPEN_LOOP)
def test_the_mathematics_is_printed_and_no_table(family, random_rule):
    text = SPACE.source(SPACE.from_rule(random_rule(family, 0)))
    assert "def multiplier(step: int, steps: int) -> float:" in text
    assert "class FoundSchedule(LRScheduler):" in text
    assert text.count(",\n") < 40


@pytest.mark.parametrize("family", REACTIVE)
def test_a_rule_that_reacts_says_where_to_call_it(family, random_rule):
    text = SPACE.source(SPACE.from_rule(random_rule(family, 0)))
    assert "between `backward()` and `optimizer.step()`" in text


def test_only_what_the_curve_needs_is_printed():
    text = SPACE.source(SPACE.zoo()["linear"])
    assert "return 1 - x" in text
    assert not any(unused in text for unused in ("import math", "FLOOR", "WARMUP", "automl"))


def test_the_settings_it_was_judged_with_stand_in_the_docstring():
    space = LrScheduleSpace(peak="tuned")
    genotype = {**space.zoo()["rex"], "peak": 2.5}
    text = space.source(genotype, advice={"learning_rate": 0.1, "weight_decay": 5e-4}).partition("import torch")[0]
    assert "Judged best with learning_rate 0.1, weight_decay 0.0005." in text
    assert "2.5 times the learning rate of the recipe" in text
    assert "Judged" not in space.source(genotype)
