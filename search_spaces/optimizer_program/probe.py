"""Four fixed steps on which programs are evaluated, in numpy, as rows of flat arrays.

Why: a training costs seconds to minutes, these steps some tens of microseconds. Values that do not depend on a state
are computed for all steps at once, and these and all values of the first step are remembered per hash-consed value, so
that a child costs little more than what is new in it. The rule: what is remembered never changes a result; the meaning
is that of `reference`, the last bits are not (sums run in another order).

The steps differ in everything that a program can read: learning rates, t = 1, 1000, 2, 30, norms below and above common
clipping limits, w on either side of the gradient. In the first three the gradients agree in direction more than not, as
those of a training do; the third is large, so that the states are when the fourth comes, whose gradient is opposed.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from search_spaces.optimizer_program.program import LR, V1, V2, G, T, W
from search_spaces.optimizer_program.value_numbering import DEAD, ON_STATES, FormTable, Roots
from search_spaces.optimizer_program.vocabulary import EPS, FUNCTIONS, LEAVES, TREE

Array: TypeAlias = npt.NDArray[np.float64]
"""[steps or 1, 1 for a scalar, leaves, or numbers of a tree]."""
Places: TypeAlias = npt.NDArray[np.intp]

STEPS: Final = 4
ORDINARY: Final = 2
"""The first steps, in which gradients and parameters are at most about 1."""
ALIKE: Final = 3
"""The first steps, whose gradients agree."""
SHAPES: Final = ((3, 2), (4,), ())
MAX_VALUES: Final = 20_000
"""Arrays kept before they are dropped; some 10 MB."""

_SEED: Final = 20_230_213
_SIZES: Final = (6, 4, 1)
_STARTS: Final = (0, 6, 10)
_NUMBERS: Final = sum(_SIZES)
_LEAF_OF: Final = np.repeat(np.arange(len(_SIZES)), _SIZES)
_SIGNS: Final = np.array([1, -1, -1, 1, 1, 1, 1, -1, -1, 1, -1])
"""Of the gradients; both in every column, in two rows of the matrix, in the vector."""


def _given() -> dict[int, Array]:
    """Returns the inputs of all steps, by variable; the states of the first step are 0."""
    rng = np.random.default_rng(_SEED)
    direction = _SIGNS * rng.uniform(0.5, 1.5, _NUMBERS)
    g = (direction + 0.5 * rng.standard_normal((STEPS, _NUMBERS))) * np.array([[0.05], [0.5], [8.0], [0.8]])
    g[:, ::5] *= np.array([[1e-3], [0.3], [4.0], [2.0]])
    g[ALIKE] -= 2.0 * direction
    w = rng.uniform(-1.0, 1.0, (STEPS, _NUMBERS))
    w[1] = 0.2 * w[1] - 0.7 * w[0]
    w[2, ::3] *= 5.0
    lr, t = np.array([[0.7], [1.9], [0.31], [1.3]]), np.array([[1.0], [1000.0], [2.0], [30.0]])
    return {W: w, G: g, LR: lr, T: t}


GIVEN: Final = _given()
NOISE: Final = np.random.default_rng([_SEED, 1]).standard_normal((STEPS, _NUMBERS))


def _groups(*, rows: bool) -> tuple[Places, Places, Places, Places]:
    """Returns the numbers group by group, where groups start, their sizes, and the group of each number."""
    group, first = np.zeros(_NUMBERS, dtype=int), 0
    for start, size, shape in zip(_STARTS, _SIZES, SHAPES, strict=True):
        width = shape[1] if len(shape) > 1 else size
        place = np.arange(size)
        group[start : start + size] = first + (place // width if rows else place % width)
        first = int(group.max()) + 1
    sizes = np.bincount(group)
    return np.argsort(group, kind="stable"), np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes, group


def _mean(*, rows: bool) -> Callable[[Array], Array]:
    """Returns the mean over rows (or columns) of each leaf, in place of every number."""
    order, starts, sizes, group = _groups(rows=rows)
    return lambda x: np.asarray((np.add.reduceat(x[:, order], starts, axis=1) / sizes)[:, group])


def _divide(a: Array, b: Array) -> Array:
    return np.where(b == 0.0, 0.0, a / b)


def _sign(x: Array) -> Array:
    """Returns the sign, which is 0 for NaN as torch has it."""
    return np.where(x == x, np.sign(x), 0.0)


def _dot(x: Array, y: Array) -> Array:
    return np.asarray((x * y).sum(1, keepdims=True))


def _leaf_dot(x: Array, y: Array) -> Array:
    return np.asarray(np.add.reduceat(x * y, _STARTS, axis=1))


def _clip(x: Array, limit: Array) -> Array:
    length = np.sqrt(_dot(x, x))
    return np.asarray(x * np.where(length > limit, _divide(limit, length), 1.0))


_MEANING: Final[dict[str, Callable[..., Any]]] = {
    "abs": np.abs, "cos": np.cos, "sin": np.sin, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos,
    "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arcsinh": np.arcsinh,
    "arccosh": np.arccosh, "arctanh": np.arctanh, "exp": np.exp, "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x), "expm1": np.expm1, "log": lambda x: np.log(np.abs(x)),
    "log10": lambda x: np.log10(np.abs(x)), "log2": lambda x: np.log2(np.abs(x)),
    "log1p": lambda x: np.log(np.abs(1.0 + x)), "square": np.square, "sqrt": lambda x: np.sqrt(np.abs(x)),
    "cube": lambda x: x * x * x, "cbrt": np.cbrt, "sign": _sign, "reciprocal": lambda x: _divide(np.ones_like(x), x),
    "negative": np.negative, "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _divide, "power": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "interp": lambda x, y, a: y * a + x * (1.0 - a), "dot": _dot,
    "cosine_sim": lambda x, y: _divide(_dot(x, y), np.sqrt(_dot(x, x)) * np.sqrt(_dot(y, y))),
    "global_norm": lambda x: np.sqrt(_dot(x, x)), "norm": lambda x: np.sqrt(_leaf_dot(x, x)), "clip": _clip,
    "leaf_dot": _leaf_dot, "row_mean": _mean(rows=True), "col_mean": _mean(rows=False),
    "select": lambda c, a, b: np.where(c > 0.0, a, b), "sdiv": lambda a, b: a / (b + np.where(b < 0.0, -EPS, EPS)),
    "randn": lambda: NOISE, "pi": lambda: np.full((STEPS, 1), np.pi), "e": lambda: np.full((STEPS, 1), np.e),
    "eps": lambda: np.full((STEPS, 1), EPS),
}  # fmt: skip
_CALLS: Final = tuple(_MEANING[function.name] for function in FUNCTIONS)


class Trace:
    """The values of one program in the steps.

    Args:
        probe: remembers what does not depend on the states.
        order: the computed values.
        steps: at each step, the values that depend on the states.
    """

    def __init__(self, probe: "Probe", order: list[int], steps: list[dict[int, Array]]) -> None:
        self._probe, self.order, self._steps = probe, order, steps

    def rows(self, value: int) -> Array:
        """Returns a value at all steps, [STEPS, 1 or leaves or numbers of a tree]."""
        return self._probe.rows(value, self._steps)


class Probe:
    """Evaluates the values of one table.

    Args:
        table: holds the values; a new table needs a new probe.
    """

    def __init__(self, table: FormTable) -> None:
        self.table = table
        self._always: dict[int, Array] = {}
        self._first: dict[int, Array] = {}
        self._forget()

    def values(self, roots: Roots) -> "Trace":
        """Returns what a program computes in the steps; call it within np.errstate(all="ignore")."""
        if len(self._always) + len(self._first) > MAX_VALUES:
            self._forget()
        update, *states = roots
        order, masks = self.table.order(roots), self.table.masks
        for value in order:
            if not masks[value] & ON_STATES and value not in self._always:
                self._always[value] = self._computed(value, [self._anyway(a) for a in self.table.arguments[value]])
        changing = [value for value in order if masks[value] & ON_STATES]
        steps = [self._first]
        for step in range(STEPS if changing or masks[update] & ON_STATES else 0):
            if step:
                steps.append({
                    state: self._at(root, steps[-1], step - 1)
                    for state, root in zip((V1, V2), states, strict=True)
                    if root != DEAD
                })  # fmt: skip
            self._advance(changing, steps[-1], step)
        return Trace(self, order, steps)

    def rows(self, value: int, steps: list[dict[int, Array]]) -> Array:
        """Returns one value at all steps."""
        if not self.table.masks[value] & ON_STATES:
            return self._anyway(value)
        return np.concatenate([here[value] for here in steps])

    def _advance(self, changing: list[int], here: dict[int, Array], step: int) -> None:
        """Computes what depends on the states at one step."""
        for value in changing:
            if value not in here:
                here[value] = self._computed(
                    value, [self._at(argument, here, step) for argument in self.table.arguments[value]]
                )

    def _at(self, value: int, here: dict[int, Array], step: int) -> Array:
        found = here.get(value)
        return self._anyway(value)[step : step + 1] if found is None else found

    def _anyway(self, value: int) -> Array:
        """Returns what does not depend on the states, at all steps."""
        found = self._always.get(value)
        if found is None:
            found = self._always[value] = np.full((STEPS, 1), self.table.constants[value])
        return found

    def _computed(self, value: int, read: list[Array]) -> Array:
        function, kinds = self.table.functions[value], self.table.kinds
        if kinds[value] == TREE:
            for place, argument in enumerate(self.table.arguments[value]):
                if kinds[argument] == LEAVES:
                    read[place] = read[place][:, _LEAF_OF]
        result: Array = _CALLS[function](*read)
        return result

    def _forget(self) -> None:
        self._always = dict(GIVEN)
        self._first = {V1: np.zeros((1, _NUMBERS)), V2: np.zeros((1, _NUMBERS))}
