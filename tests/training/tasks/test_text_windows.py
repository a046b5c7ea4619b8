import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.training.tasks.splits import SPLITS
from automl.training.tasks.text_windows import BLOCKS, constant_loss, number_characters, split_windows, spread


def test_characters_are_numbered_in_sorted_order_and_rare_ones_share_the_last() -> None:
    found = number_characters("ba" * 30 + "c" * 19 + "!")
    assert found.vocabulary == 3
    assert found.ids[:2].tolist() == [1, 0]
    assert found.ids[60:].tolist() == [2] * 20


def test_without_rare_characters_there_is_no_number_for_them() -> None:
    assert number_characters("ab" * 20).vocabulary == 2


def test_vocabulary_is_bounded_and_keeps_the_most_frequent() -> None:
    text = "".join(chr(0x4E00 + number) * (20 + (number >= 50)) for number in range(300))
    found = number_characters(text)
    assert found.vocabulary == 256
    counts = np.bincount(found.ids)
    assert counts[:255].min() == 20 and counts[255] == len(text) - counts[:255].sum()
    assert (counts[:255] == 21).sum() == 250


@pytest.mark.parametrize("text", ["a" * 5000, "abcdefghij", ""])
def test_text_of_one_usable_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="two different characters"):
        number_characters(text)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 3000))
def test_windows_are_text_cut_out_of_disjoint_blocks(context: int, seed: int, extra: int) -> None:
    length = BLOCKS * (context + 1) + extra
    places = np.arange(length)
    ids = np.random.default_rng(0).integers(0, 250, length).astype(np.uint8)
    size = length // BLOCKS
    try:
        windows = split_windows(ids, context=context, seed=seed)
    except InvalidSetting:  # windows of one or two characters repeat
        assert context <= 2
        return
    text = ids.tobytes()
    blocks: dict[str, set[int]] = {}
    for split in SPLITS:
        rows = windows[split]
        found = [place for row in rows for place in [text.find(row.tobytes())]]
        assert rows.shape[1] == context + 1 and min(found) >= 0
        if context >= 6:  # then a window stands in one place only
            assert all(place // size == (place + context) // size for place in found)
            blocks[split] = {int(places[place] // size) for place in found}
    if context >= 6:
        assert [len(blocks[split]) for split in SPLITS] == [20, 8, 6, 6]
        assert len(set().union(*blocks.values())) == BLOCKS


def test_windows_of_a_block_meet_and_do_not_overlap() -> None:
    ids = np.arange(BLOCKS * 6, dtype=np.uint8)  # blocks of 6 characters hold two windows that predict 2 each
    rows = np.concatenate([*split_windows(ids, context=2, seed=0).values()])
    assert sorted(rows[:, 0].tolist()) == sorted(6 * block + start for block in range(BLOCKS) for start in (0, 2))
    assert (np.diff(rows.astype(int), axis=1) == 1).all()


def test_dealing_depends_on_the_seed_alone() -> None:
    ids = np.arange(BLOCKS * 6, dtype=np.uint8)
    first, again, other = (split_windows(ids, context=2, seed=seed)["test"].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_window_that_repeats_is_left_out_of_later_splits() -> None:
    line = np.arange(8, dtype=np.uint8)
    fresh = np.random.default_rng(0).integers(10, 250, (BLOCKS, 8)).astype(np.uint8)
    ids = np.concatenate([np.concatenate([line, row, row[:1]]) for row in fresh])  # each block starts alike
    windows = split_windows(ids, context=8, seed=0)
    holds = [any((row[:8] == line).all() for row in windows[split]) for split in SPLITS]
    assert holds == [True, False, False, False]


@pytest.mark.parametrize(
    ("ids", "words"), [(np.zeros(400, np.uint8), "440 for windows of 10"), (np.zeros(4000, np.uint8), "repeat itself")]
)
def test_text_that_cannot_be_split_is_refused(ids: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        split_windows(ids, context=10, seed=0)


def test_spread_takes_all_or_evenly_apart() -> None:
    rows = np.arange(10, dtype=np.uint8)[:, None]
    assert spread(rows, 20).tolist() == rows.tolist()
    assert spread(rows, 4).ravel().tolist() == [0, 3, 6, 9]


def test_constant_loss_is_the_entropy_of_the_characters() -> None:
    assert constant_loss(np.array([[0, 1], [0, 1]], np.uint8)) == pytest.approx(math.log(2))
    # shares 3/4 and 1/4: -(0.75 ln 0.75 + 0.25 ln 0.25)
    assert constant_loss(np.array([5, 5, 5, 9], np.uint8)) == pytest.approx(0.5623351446)
