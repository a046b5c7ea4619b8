"""The simulated executor keeps exact time, and toy jobs answer like real ones."""

import functools

from automl.canonical import dumps, loads
from automl.contracts.recipe import Leg, RecipeRef
from automl.contracts.rung import RungJob, RungResult
from automl.contracts.space import Genotype
from automl.testing.simulated import NOISE, SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import ToySpace, toy_values

ZOO = ToySpace().zoo()


def job(genotype: Genotype | None = None, *, steps: tuple[int, int] = (0, 20), replicate: int = 0) -> RungJob:
    edits = () if genotype is None else (("toy", genotype),)
    leg = Leg(variant="toy", replicate=replicate)
    ref = RecipeRef(task="toy", variant="toy", edits=edits)
    splits = ("validation", "gate")
    return RungJob(kind="train", refs=(ref,), leg=leg, steps=steps, measure_every_steps=5, splits=splits)


def executor(*, workers: int) -> SimulatedExecutor:
    return SimulatedExecutor(run_toy, workers=workers, duration=lambda job: float(job.steps[1]))


def test_two_workers_answer_in_simulated_order_and_by_priority() -> None:
    pool = executor(workers=2)
    for number, steps in enumerate((9, 2, 3, 1)):
        pool.submit(f"job{number}", job(ZOO["half"], steps=(0, steps)), priority=(number,))
    ends = []
    while answers := pool.wait(0.0):
        ends.append((pool.now, [answer.key for answer in answers]))
    # worker A: job0 until 9; worker B: job1 until 2, job2 until 5, job3 until 6
    assert ends == [(2.0, ["job1"]), (5.0, ["job2"]), (6.0, ["job3"]), (9.0, ["job0"])]
    assert pool.idle_share() == 1 - 15 / 18


def test_jobs_that_end_together_are_answered_together_by_key() -> None:
    pool = executor(workers=3)
    for key in ("c", "a", "b"):
        pool.submit(key, job(), priority=(0,))
    assert [answer.key for answer in pool.wait(0.0)] == ["a", "b", "c"]
    assert pool.wait(0.0) == ()


def test_answers_do_not_depend_on_the_number_of_workers() -> None:
    texts = []
    for workers in (1, 2, 5):
        pool = SimulatedExecutor(run_toy, workers=workers, duration=toy_seconds)
        for name, genotype in ZOO.items():
            pool.submit(name, job(genotype), priority=(0,))
        answered: dict[str, str] = {}
        while answers := pool.wait(0.0):
            answered |= {answer.key: dumps(answer.result.to_json()) for answer in answers if answer.result}
        texts.append(answered)
    assert texts[0] == texts[1] == texts[2] and len(texts[0]) == len(ZOO)


def test_closing_forgets_what_is_left() -> None:
    pool = executor(workers=1)
    pool.submit("a", job(), priority=(0,))
    pool.close()
    assert pool.wait(0.0) == ()


def test_a_curve_by_hand() -> None:
    curve = run_toy(job(ZOO["ramp"])).curves[0]
    score, size = toy_values(ZOO["ramp"])
    assert curve.steps == (5, 10, 15, 20) and size == 2.0
    accuracy = curve.last("accuracy")
    assert accuracy is not None and abs(accuracy - score * 20 / (20 + 10 + 10)) <= NOISE / 2
    assert curve.last("loss") == 1 - accuracy
    assert curve.last("gate.accuracy") == accuracy and curve.last("size") == 2.0


def test_two_rungs_are_one_run_and_replicates_differ() -> None:
    whole = run_toy(job(ZOO["half"])).curves[0]
    halves = [run_toy(job(ZOO["half"], steps=steps)).curves[0] for steps in ((0, 10), (10, 20))]
    assert halves[0].then(halves[1]) == whole
    assert run_toy(job(ZOO["half"], replicate=1)).curves[0] != whole


def test_results_survive_json_and_the_baseline_needs_no_edit() -> None:
    result = run_toy(job())
    assert RungResult.from_json(loads(dumps(result.to_json()))) == result
    assert result.curves == run_toy(job(ZOO["ramp"])).curves


def test_planned_faults() -> None:
    space = ToySpace()
    faults = {space.fingerprint(ZOO["half"]): "raise", space.fingerprint(ZOO["square"]): "diverge"}
    pool = SimulatedExecutor(functools.partial(run_toy, faults=faults), duration=toy_seconds)
    for name, genotype in ZOO.items():
        pool.submit(name, job(genotype), priority=(0,))
    answers = {answer.key: answer for _ in ZOO for answer in pool.wait(0.0)}
    failure = answers["half"].failure
    assert failure is not None and failure.reason == "crashed" and failure.evidence["exception"] == "ToyCrash"
    assert answers["half"].result is None
    diverged = answers["square"].result
    assert diverged is not None and diverged.diverged == (True,) and diverged.curves[0].last("loss") is None
    assert diverged.curves[0].steps[-1] < 20
    assert answers["ramp"].failure is None


def test_a_probe_measures_and_trains_nothing() -> None:
    probe = RungJob(kind="probe", refs=job(ZOO["ramp"]).refs, leg=Leg(variant="toy"))
    result = run_toy(probe)
    assert result.steps == 0 and result.curves[0].steps == ()
    assert result.measurements[0] == {"parameters": 2, "flops": 20, "finite": True}
