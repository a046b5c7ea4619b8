"""From the weights of a grid to one chain: longest path, beam search, and greedy walks from either end.

Why: the paper compares decoders, since the strongest single operations need not lie on one path. Paper: Hundt, Jain,
Hager 2019 (arXiv 1903.09900). All paths of the grid have the same length, so its longest path is the one with the
largest sum of operation weights, which a sweep over the widths finds exactly. The rule: among equals the first seen
wins, in the order of the axes; a path's weight is summed from the image on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.chain import Chain
from search_spaces.darts.hypercuboid.plan import PRIMITIVES

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One path as positions on the axes of the grid.

    Attributes:
        widths: position of the width before the first step and behind each step, [steps + 1].
        primitives: position of the primitive of each step, [steps].
        weight: sum of the weights of its operations.
    """

    widths: tuple[int, ...]
    primitives: tuple[int, ...]
    weight: float

    def chain(self, sizes: Sequence[int]) -> Chain:
        """Returns the chain, given the channels of each width."""
        behind = zip(self.widths[1:], self.primitives, strict=True)
        steps = tuple((sizes[width], PRIMITIVES[primitive]) for width, primitive in behind)
        return Chain(stem=sizes[self.widths[0]], steps=steps)

    def then(self, width: int, primitive: int, weight: float) -> "Path":
        """Returns the path with one more step behind."""
        return Path(
            widths=(*self.widths, width), primitives=(*self.primitives, primitive), weight=self.weight + float(weight)
        )


def by_step(weights: Floats) -> Floats:
    """Orders the weights of a grid by the steps of a path.

    Args:
        weights: [2 strides, layers / 2, width before, width behind, primitive].

    Returns:
        [layers, width before, width behind, primitive]: stride 1, stride 2, stride 1, ...

    Raises:
        InvalidSetting: another shape, or a number that is not finite.
    """
    array = np.asarray(weights, dtype=np.float64)
    square = array.ndim == 5 and array.shape[0] == 2 and array.shape[2] == array.shape[3]
    if not square or array.size == 0 or array.shape[4] != len(PRIMITIVES):
        allowed = f"[2, layers / 2, widths, widths, {len(PRIMITIVES)}], widths before and behind alike"
        raise InvalidSetting("weights", f"shape {list(array.shape)}", allowed)
    if not np.isfinite(array).all():
        raise InvalidSetting("weights", "NaN or infinity", "finite numbers")
    return array.swapaxes(0, 1).reshape(-1, *array.shape[2:])


def longest_path(weights: Floats) -> Path:
    """Returns the path with the largest sum of weights; `weights` as in `by_step`.

    best(j, t) = max over i and p of best(i, t - 1) + w(t, i, j, p): a dynamic programme over the widths.
    """
    steps = by_step(weights)
    return beam_search(weights, beam=steps.shape[1])


def beam_search(weights: Floats, *, beam: int) -> Path:
    """Returns the best path that keeps only the `beam` best widths behind each step.

    Paths that meet in a width have the same future, so only the best of them goes on; with a beam of all widths nothing
    is lost, and the result is the longest path. All stems weigh the same, so all of them are kept.

    Args:
        weights: as in `by_step`.
        beam: widths kept behind each step, in [1, widths].

    Raises:
        InvalidSetting: `beam` out of range.
    """
    steps = by_step(weights)
    widths = steps.shape[1]
    if type(beam) is not int or not 1 <= beam <= widths:
        raise InvalidSetting("beam", beam, f"an int in [1, {widths}], the number of widths")
    kept = _starts(widths)
    for step in steps:
        met = [_best_into(width, kept, step) for width in range(widths)]
        best = sorted(met, key=lambda path: -path.weight)[:beam]
        kept = sorted(best, key=lambda path: path.widths[-1])
    return _first_largest(kept)


def greedy_from_top(weights: Floats) -> Path:
    """Returns the walk from the image that takes the strongest operation of each step; `weights` as in `by_step`.

    All stems weigh the same, so it starts at the first.
    """
    path = _starts(1)[0]
    for step in by_step(weights):
        width, primitive = _position(step[path.widths[-1]])
        path = path.then(width, primitive, step[path.widths[-1], width, primitive])
    return path


def greedy_from_bottom(weights: Floats) -> Path:
    """Returns the walk from the classes back that takes the strongest operation into each width.

    All last convolutions weigh the same, so it starts at the first; `weights` as in `by_step`.
    """
    steps = by_step(weights)
    widths, primitives = [0], list[int]()
    for step in steps[::-1]:
        before, primitive = _position(step[:, widths[0]])
        widths.insert(0, before)
        primitives.insert(0, primitive)
    path = Path(widths=(widths[0],), primitives=(), weight=0.0)
    for step, width, primitive in zip(steps, widths[1:], primitives, strict=True):
        path = path.then(width, primitive, step[path.widths[-1], width, primitive])
    return path


def narrow_beam(weights: Floats) -> Path:
    """Returns `beam_search` with a beam of two widths, or of one where there is no second."""
    return beam_search(weights, beam=min(2, by_step(weights).shape[1]))


DECODERS: Mapping[str, Callable[[Floats], Path]] = {
    "longest-path": longest_path,
    "beam": narrow_beam,
    "greedy-top": greedy_from_top,
    "greedy-bottom": greedy_from_bottom,
}
"""Name in settings -> decoder."""


def _starts(widths: int) -> list[Path]:
    return [Path(widths=(width,), primitives=(), weight=0.0) for width in range(widths)]


def _best_into(width: int, paths: Sequence[Path], step: Floats) -> Path:
    """Returns the best of the paths that go on into a width; `step` is [before, behind, primitive]."""
    return _first_largest([path.then(width, *_strongest(step[path.widths[-1], width])) for path in paths])


def _first_largest(paths: Sequence[Path]) -> Path:
    return max(paths, key=lambda path: path.weight)


def _strongest(weights: Floats) -> tuple[int, float]:
    """[primitive] -> (position, weight) of the first largest."""
    chosen = int(np.argmax(weights))
    return chosen, float(weights[chosen])


def _position(weights: Floats) -> tuple[int, int]:
    """[width, primitive] -> position of the first largest."""
    width, primitive = np.unravel_index(int(np.argmax(weights)), weights.shape)
    return int(width), int(primitive)
