"""Fingerprints and screens of graphs."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.norm_act import fingerprint as module
from search_spaces.norm_act.canonical_form import FormTable
from search_spaces.norm_act.fingerprint import Probe, Prober, prober
from search_spaces.norm_act.graph import Nodes, pad
from search_spaces.norm_act.operators import EPS
from search_spaces.norm_act.reference import Parameters, evaluate, share
from search_spaces.norm_act.zoo import DESIGNS


def test_the_probe_computes_what_the_reference_computes(random_graph):
    probe = Probe((4, 4, 3, 3), spread=1.5, init=True)
    x, _, v0, v1 = (torch.from_numpy(given) for given in probe.given)
    ones, zeros = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    parameters = Parameters(v0=v0.flatten(), v1=v1.flatten(), gamma=ones, beta=zeros)
    forms, compared = FormTable(), 0
    for seed in range(1500):
        root = forms.root(random_graph(seed))
        with np.errstate(all="ignore"):
            ours = probe.value(forms, root)
        theirs, _ = evaluate(share(forms.nodes(root)), x, parameters, groups=module.GROUPS, eps=EPS)
        if np.isfinite(ours).all() and np.abs(ours).max() < 1e12:
            compared += 1
            torch.testing.assert_close(torch.from_numpy(ours).expand_as(theirs), theirs, rtol=1e-9, atol=1e-9)
    assert compared > 1000


@given(seed=st.integers(0, 10**6))
def test_equal_functions_share_a_fingerprint(seed, random_graph, reordered):
    nodes = random_graph(seed)
    other = pad(reordered(nodes, np.random.default_rng(seed)), intermediate=14)
    assert prober().fingerprint(other) == prober().fingerprint(nodes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((("add", 0, 2), ("add", 4, 3)), (("add", 2, 3), ("add", 4, 0))),
        ((("mul", 0, 2), ("mul", 0, 3), ("add", 4, 5)), (("add", 2, 3), ("mul", 4, 0))),
        ((("add", 0, 3), ("neg", 4), ("add", 0, 5)), (("exp", 1), ("neg", 3), ("mul", 4, 5))),
        ((("mean_wh", 0), ("mean_bwh", 4)), (("mean_bwh", 0),)),
    ],
    ids=["association", "distribution", "cancellation", "mean of means"],
)
def test_rounding_hides_the_order_of_evaluation(first, second):
    assert prober().form(first) != prober().form(second)
    assert prober().fingerprint(first) == prober().fingerprint(second)


def test_published_designs_all_differ(values):
    assert len({prober().fingerprint(nodes) for nodes in DESIGNS.values()}) == len(DESIGNS)


def test_graphs_with_one_fingerprint_agree_on_fresh_inputs(random_graph, values):
    groups: dict[str, list[Nodes]] = {}
    judge = Prober()
    for seed in range(6000):
        nodes = random_graph(seed)
        if not judge.reason(nodes, batch_independent=False):
            groups.setdefault(judge.fingerprint(nodes), []).append(nodes)
    assert len(groups) > 200
    for same in groups.values():
        for other in same[1:]:
            torch.testing.assert_close(values(other, seed=9), values(same[0], seed=9), rtol=1e-6, atol=1e-6)


def test_graphs_that_agree_everywhere_seldom_get_two_fingerprints(random_graph, values):
    seen: dict[bytes, str] = {}
    judge, split, useful = Prober(), 0, 0
    for seed in range(6000):
        nodes = random_graph(seed)
        if not judge.reason(nodes, batch_independent=False):
            useful += 1
            samples = np.stack([values(nodes, seed=sample).numpy() for sample in (9, 10, 11)])
            key = (np.round(samples, 6) + 0.0).tobytes()
            split += seen.setdefault(key, judge.fingerprint(nodes)) != judge.fingerprint(nodes)
    assert useful > 400
    assert split <= 0.01 * useful, "what remains differs by less than the guards, such as sqrt(x^2) and abs(x)"


def test_graphs_that_overflow_are_told_apart_by_their_form():
    first: Nodes = (("exp", 0), ("exp", 4), ("exp", 5), ("exp", 6))
    second: Nodes = (*first, ("square", 7))
    assert prober().fingerprint(first) != prober().fingerprint(second)
    assert prober().fingerprint(first) == prober().fingerprint(pad(first, intermediate=9))


def test_full_memories_change_no_answer(monkeypatch, random_graph):
    graphs = [random_graph(seed) for seed in range(400)]
    judge = Prober()
    expected = [(judge.reason(g, batch_independent=True), judge.fingerprint(g), judge.form(g)) for g in graphs]
    monkeypatch.setattr(module, "MAX_FORMS", 40)
    monkeypatch.setattr(module, "MAX_VALUES", 25)
    tight, sizes = Prober(), []
    for nodes in graphs:
        tight.fingerprint(nodes)
        sizes.append(len(tight))
    assert max(sizes) <= 40 + 20
    assert [(tight.reason(g, batch_independent=True), tight.fingerprint(g), tight.form(g)) for g in graphs] == expected


def test_every_thread_has_its_own_memory_and_the_same_answers():
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(prober).result()
    assert other is not prober()
    assert other.fingerprint(DESIGNS["evonorm-b0"]) == prober().fingerprint(DESIGNS["evonorm-b0"])


def test_a_fingerprint_is_the_same_in_another_process(values):
    code = (
        "from search_spaces.norm_act.fingerprint import prober; from search_spaces.norm_act.zoo import DESIGNS; "
        "print(','.join(prober().fingerprint(nodes) for nodes in DESIGNS.values()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}, cwd="."
    )
    assert told.stdout.strip().split(",") == [prober().fingerprint(nodes) for nodes in DESIGNS.values()]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ((("add", 2, 3),), "ignores its input"),
        ((("neg", 0), ("add", 0, 4)), "ignores its input"),
        ((("mean_whc", 0),), "constant"),
        ((("mean_bwh", 0),), "constant"),
        ((("mean_wh", 0),), ""),
        ((("tanh", 0), ("exp", 1), ("exp", 5), ("exp", 6), ("exp", 7), ("div", 4, 8)), "constant"),
        ((("exp", 0), ("exp", 4), ("exp", 5)), "not finite"),
        ((("exp", 0), ("square", 4), ("square", 5)), "huge"),
        ((("max", 0, 1),), ""),
        (DESIGNS["evonorm-s0"], ""),
    ],
)
def test_screens_name_their_reason(nodes, reason):
    assert prober().reason(nodes, batch_independent=False) == reason


def test_batch_independence_asks_for_reachable_moments_only():
    unused: Nodes = (("mean_bwh", 0), ("std_bwh", 0), ("max", 0, 1))
    assert prober().reason(unused, batch_independent=True) == ""
    assert prober().reason((*unused[:2], ("div", 0, 5)), batch_independent=True) == "uses batch moments"
    assert prober().reason((("mean_bwh", 3), ("mul", 0, 4)), batch_independent=True) == ""
