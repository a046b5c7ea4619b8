"""From a text to the windows that a language model is trained and measured on.

Why blocks: neighbouring windows tell of each other, so the splits are made of long contiguous blocks, dealt at random.
The rule: no window crosses a block, and a window that stands in an earlier split is left out of the later ones.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.contracts import Split
from automl.errors import InvalidSetting
from automl.seeding import child
from automl.training.tasks.splits import SHARES, SPLITS

BLOCKS = 40
LARGEST_VOCABULARY = 256
RAREST = 20
"""A character with fewer occurrences is read as "other": it could not be learnt, and each costs a row of weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """A text as numbers.

    Attributes:
        ids: [length] uint8, each below `vocabulary`.
        vocabulary: how many different ids there are, 2..256.
    """

    ids: NDArray[np.uint8]
    vocabulary: int


def number_characters(text: str) -> Characters:
    """Numbers the characters in their sorted order; all rare ones share the last number.

    Raises:
        InvalidSetting: fewer than two numbers would be used.
    """
    ranked = sorted(Counter(text).items(), key=lambda entry: (-entry[1], entry[0]))
    frequent = [character for character, count in ranked if count >= RAREST]
    folds = len(frequent) < len(ranked) or len(frequent) > LARGEST_VOCABULARY
    known = sorted(frequent[: LARGEST_VOCABULARY - 1] if folds else frequent)
    vocabulary = len(known) + int(folds)
    if vocabulary < 2:
        allowed = f"text with at least two different characters that occur {RAREST} times or more; use another text"
        raise InvalidSetting("characters of the text", len(ranked), allowed)
    numbers = {character: number for number, character in enumerate(known)}
    ids = np.fromiter((numbers.get(character, len(known)) for character in text), dtype=np.uint8, count=len(text))
    return Characters(ids=ids, vocabulary=vocabulary)


def split_windows(ids: NDArray[np.uint8], *, context: int, seed: int) -> Mapping[Split, NDArray[np.uint8]]:
    """Deals blocks to the splits as 50/20/15/15 and cuts each into windows that meet but do not overlap.

    Args:
        ids: [length].
        context: characters that a window predicts from, >= 1.
        seed: of the dealing.

    Returns:
        Split -> [windows, context + 1]: the last `context` columns are the targets of the first `context`.

    Raises:
        InvalidSetting: too short for one window per block, or too repetitive for one per split.
    """
    length = len(ids) // BLOCKS
    if length < context + 1:
        needed = f"at least {BLOCKS * (context + 1):,} for windows of {context}; use a longer text or a smaller context"
        raise InvalidSetting("characters of the text", len(ids), needed)
    starts = np.arange(0, length - context, context)[:, None] + np.arange(context + 1)
    windows = ids[: BLOCKS * length].reshape(BLOCKS, length)[:, starts]
    order = child(seed, "blocks").permutation(BLOCKS)
    bounds = np.rint(np.cumsum([SHARES[split] for split in SPLITS])[:-1] * BLOCKS).astype(int)
    seen: set[bytes] = set()
    found: dict[Split, NDArray[np.uint8]] = {}
    for split, blocks in zip(SPLITS, np.split(order, bounds), strict=True):
        found[split] = _unseen(windows[np.sort(blocks)].reshape(-1, context + 1), seen)
        seen.update(row[:-1].tobytes() for row in found[split])
        if not len(found[split]):
            allowed = "text that does not repeat itself in every window; use another text, or a larger context"
            raise InvalidSetting("text", f"no window for the {split} split", allowed)
    return found


def spread(windows: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Returns at most `count` of the windows, evenly spread over them."""
    picked = np.linspace(0, len(windows) - 1, min(count, len(windows))).round().astype(np.int64)
    return windows[picked]


def constant_loss(targets: NDArray[np.uint8]) -> float:
    """Returns the smallest mean cross entropy, in nats, of an answer that never looks at its input."""
    counts = np.bincount(targets.reshape(-1))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _unseen(windows: NDArray[np.uint8], seen: set[bytes]) -> NDArray[np.uint8]:
    """Returns the windows whose inputs are not in `seen`."""
    return windows[np.array([row[:-1].tobytes() not in seen for row in windows], dtype=np.bool_)]
