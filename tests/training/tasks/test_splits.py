import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.training.tasks.splits import SPLITS, stratified_splits


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(6, 60), min_size=2, max_size=5), st.integers(0, 5))
def test_splits_are_disjoint_complete_and_hold_every_class(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    splits = stratified_splits(labels, seed=seed)
    everything = np.concatenate([splits[split] for split in SPLITS])
    assert sorted(everything.tolist()) == list(range(len(labels)))
    for split in SPLITS:
        assert set(labels[splits[split]]) == set(range(len(counts)))


def test_shares_are_50_20_15_15_in_each_class() -> None:
    labels = np.repeat([0, 1], [200, 1000])
    splits = stratified_splits(labels, seed=0)
    assert [int((labels[splits[s]] == 0).sum()) for s in SPLITS] == [100, 40, 30, 30]
    assert [int((labels[splits[s]] == 1).sum()) for s in SPLITS] == [500, 200, 150, 150]


def test_cut_depends_on_the_seed_alone() -> None:
    labels = np.arange(60) % 2
    first, again, other = (stratified_splits(labels, seed=seed)["test"].tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(("labels", "words"), [([1] * 20, "two classes"), ([0] * 20 + [1] * 5, "class 1")])
def test_labels_that_cannot_be_split_are_refused(labels: list[int], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        stratified_splits(np.array(labels), seed=0)
