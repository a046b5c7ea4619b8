"""Numeric probe of norm-act graphs: which are worth a trial, and which are the same function.

Why: a graph costs some microseconds here and seconds to minutes in training. Each is evaluated in float64 on two fixed
small batches; values of hash-consed nodes are remembered, so a new graph costs only its new nodes (about two).
The rule: results never depend on what was asked before; memories only save time and are emptied when full.

Graphs that evaluate to the same numbers, rounded to seven digits, share a fingerprint. Rounding hides the last bits, in
which equal functions differ when they are evaluated in another order. A graph that overflows on a probe is identified
by its canonical form instead: two of those are never the same function by accident.
"""

import hashlib
import math
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from search_spaces.norm_act.canonical_form import BATCH, CHANNEL, GROUP, POSITION, FormTable
from search_spaces.norm_act.graph import BATCH_SUFFIX, INPUT, Nodes
from search_spaces.norm_act.operators import EPS

Array: TypeAlias = npt.NDArray[np.float64]
Reason: TypeAlias = Literal["", "ignores its input", "uses batch moments", "constant", "not finite", "huge"]
REASONS: tuple[Reason, ...] = ("ignores its input", "uses batch moments", "constant", "not finite", "huge")

HUGE = 1e4
"""Largest magnitude of a useful output; inputs of the probe are about 1."""

FLAT = 1e-3
"""Smallest useful difference between two positions of one channel of one example, or, of a layer that is constant over
positions, between two examples in one channel. Layers of the second kind look useless and are not: of random graphs
that pass EvoNorm's quality check on the digits, a quarter are such (`tests/benchmarks/rejection.py` audits it)."""

MAX_FORMS = 60_000
"""Distinct nodes kept before the memory is emptied; about 60 MB with the values."""

MAX_VALUES = 12_000
"""Arrays kept per probe before they are dropped."""

GROUPS = 2
_SEED = 20_200_403
_DIGITS = 7
_NOISE = 1e-9


def _sign0(values: Array) -> Array:
    return np.where(values >= 0.0, 1.0, -1.0)


def _floored(values: Array) -> Array:
    return np.maximum(np.abs(values), EPS)


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "div": lambda x, y: x / (_sign0(y) * _floored(y)),
    "max": np.maximum,
    "neg": np.negative,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": lambda x: np.sign(x) * np.log(_floored(x)),
    "abs": np.abs,
    "square": np.square,
    "sqrt": lambda x: np.sign(x) * np.sqrt(_floored(x)),
}
_AXES = {"bwh": (0, 2, 3), "whc": (1, 2, 3), "wh": (2, 3)}


def _mean(values: Array, index_set: str) -> Array:
    """Returns the mean over an index set, with kept axes; axes of size 1 (broadcast) are their own mean."""
    if index_set != "whcg":
        return np.asarray(values.mean(_AXES[index_set], keepdims=True))
    over_positions = np.asarray(values.mean((2, 3), keepdims=True))
    batch, channels = over_positions.shape[:2]
    if channels == 1:
        return over_positions
    per_group = over_positions.reshape(batch, GROUPS, channels // GROUPS).mean(2)
    return np.asarray(per_group.repeat(channels // GROUPS, axis=1).reshape(batch, channels, 1, 1))


def _moment(operator: str, values: Array) -> Array:
    kind, _, index_set = operator.partition("_")
    if kind == "mean":
        return _mean(values, index_set)
    centred = values - _mean(values, index_set) if kind == "std" else values
    return np.asarray(np.sqrt(_mean(np.square(centred), index_set) + EPS))


class Probe:
    """One fixed input and its remembered values.

    Args:
        shape: [batch, channels, height, width]; channels are a multiple of GROUPS.
        spread: standard deviation of most of x.
        init: whether v0 and v1 lie near their initial values 0 and 1, as at the start of training.
    """

    def __init__(self, shape: tuple[int, int, int, int], *, spread: float, init: bool) -> None:
        rng = np.random.default_rng([_SEED, *shape])
        channels = (1, shape[1], 1, 1)
        x = rng.standard_normal(shape) * spread + 0.3
        x.flat[:: max(2, x.size // 8)] *= 3.0
        v0, v1 = rng.standard_normal(channels), rng.standard_normal(channels)
        if not init:  # beyond any moment of x, so that max(v0, rms(x)) is not taken for rms(x)
            v0.flat[:2], v1.flat[2:4] = (6.3, -5.7), (5.9, -6.1)
        self.shape = shape
        self.given = (x, np.zeros((1, 1, 1, 1)), 0.1 * v0 if init else v0, 1.0 + 0.1 * v1 if init else v1)
        self.weights = rng.standard_normal((2, *shape))
        self._values: dict[int, Array] = {}
        self.forget()

    def forget(self) -> None:
        """Drops the remembered values; must be called when the ids of the form table change."""
        self._values = dict(enumerate(self.given))

    def value(self, forms: FormTable, root: int) -> Array:
        """Returns the value of a stored node, in a shape that broadcasts to the probe's."""
        known = self._values.get(root)
        if known is not None:
            return known
        if len(self._values) > MAX_VALUES:
            self.forget()
        for stored in self._missing(forms, root):
            operator, arguments = forms.operators[stored], forms.arguments[stored]
            if "_" in operator:
                result = _moment(operator, self._values[arguments[0]])
            else:
                result = _ELEMENTWISE[operator](*(self._values[argument] for argument in arguments))
            self._values[stored] = result
        return self._values[root]

    def numbers(self, forms: FormTable, root: int) -> tuple[float, ...] | None:
        """Returns rounded numbers that identify the function, or None where it is not finite.

        One weighted sum is of the values, the other of their squashed form y / (1 + |y|), in which large values
        cannot hide small ones.
        """
        value = self.value(forms, root)
        if not np.isfinite(value).all():
            return None
        squashed = value / (1.0 + np.abs(value))
        sums = (float((value * self.weights[0]).sum()), float((squashed * self.weights[1]).sum()))
        return tuple(_rounded(number) for number in sums) if all(map(math.isfinite, sums)) else None

    def _missing(self, forms: FormTable, root: int) -> list[int]:
        known, ordered, waiting = self._values, [], [root]
        while waiting:
            stored = waiting[-1]
            missing = [argument for argument in forms.arguments[stored] if argument not in known]
            unlisted = [argument for argument in missing if argument not in ordered]
            if unlisted:
                waiting.extend(unlisted)
                continue
            waiting.pop()
            if stored not in known and stored not in ordered:
                ordered.append(stored)
        return ordered


class Prober:
    """Screens and fingerprints graphs; remembers forms, values and verdicts within bounds. One per thread."""

    def __init__(self) -> None:
        self._near = Probe((4, 4, 3, 3), spread=1.5, init=True)
        self._far = Probe((3, 6, 2, 3), spread=2.5, init=False)
        self._forms = FormTable()
        self._verdicts: dict[int, Reason] = {}

    def __len__(self) -> int:
        """Returns the number of forms remembered now, at most MAX_FORMS and one graph."""
        return len(self._forms)

    def form(self, nodes: Nodes) -> bytes:
        """Returns the digest of a graph's canonical form; equal digests are equal functions."""
        return self._forms.digests[self._root(nodes)]

    def reason(self, nodes: Nodes, *, batch_independent: bool) -> Reason:
        """Returns why a graph is not worth a trial, or "".

        Args:
            nodes: the graph.
            batch_independent: whether moments over the batch are refused, if the output depends on them.
        """
        root = self._root(nodes)
        verdict = self._verdicts.get(root)
        if verdict is None:
            verdict = self._verdicts[root] = self._judge(root)
        if not verdict and batch_independent and self._uses_batch(root):
            return "uses batch moments"
        return verdict

    def fingerprint(self, nodes: Nodes) -> str:
        """Returns 32 hex digits shared by graphs that are the same function of x, v0 and v1."""
        root = self._root(nodes)
        with np.errstate(all="ignore"):
            seen = [probe.numbers(self._forms, root) for probe in (self._near, self._far)]
        if None in seen:
            return hashlib.blake2b(b"form" + self._forms.digests[root], digest_size=16).hexdigest()
        text = ",".join(f"{number:.{_DIGITS - 1}e}" for numbers in seen if numbers is not None for number in numbers)
        return hashlib.blake2b(b"function" + text.encode(), digest_size=16).hexdigest()

    def _root(self, nodes: Nodes) -> int:
        if len(self._forms) > MAX_FORMS:
            self._forms = FormTable()
            self._verdicts.clear()
            self._near.forget()
            self._far.forget()
        return self._forms.root(nodes)

    def _judge(self, root: int) -> Reason:
        axes = self._forms.axes[root]
        per_example = axes & BATCH and axes & (CHANNEL | GROUP)
        if not (axes & POSITION or per_example):
            return "constant" if self._reaches_input(root) else "ignores its input"
        over = (2, 3) if axes & POSITION else (0,)
        with np.errstate(all="ignore"):
            value = self._near.value(self._forms, root)
            highest, lowest = value.max(over), value.min(over)
            top, bottom, spread = float(highest.max()), float(lowest.min()), float((highest - lowest).max())
        if not (math.isfinite(top) and math.isfinite(bottom)):
            return "not finite"
        if max(top, -bottom) > HUGE:
            return "huge"
        return "constant" if spread < FLAT else ""

    def _reaches_input(self, root: int) -> bool:
        return root == INPUT or any(INPUT in self._forms.arguments[stored] for stored in self._forms.order(root))

    def _uses_batch(self, root: int) -> bool:
        return any(self._forms.operators[stored].endswith(BATCH_SUFFIX) for stored in self._forms.order(root))


_THREAD = threading.local()


def prober() -> Prober:
    """Returns this thread's prober; a memory of pure results, so every thread and process gets the same answers."""
    found: Prober | None = getattr(_THREAD, "prober", None)
    if found is None:
        found = _THREAD.prober = Prober()
    return found


def _rounded(number: float) -> float:
    """Returns a number to seven digits; what is only rounding noise becomes 0."""
    return float(f"{number:.{_DIGITS - 1}e}") if abs(number) > _NOISE else 0.0
