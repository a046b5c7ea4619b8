"""Numeric identity of programs, and which are not worth a trial.

Why: what the algebra cannot see is seen on four fixed steps (`probe`): programs that give the same updates there, to
eight digits, are the same rule. Rounding hides the last bits, in which equal functions differ when they are evaluated
in another order. A program that is not finite there is identified by its canonical form.
The rule: answers never depend on what was asked before, and only what cannot train is refused.

Signs, branches and bounds hide numbers: Lion with 0.9 and with 0.91 would agree on any few steps. So what they read
is part of the identity: of a sign (and of x / |x| in all its disguises) what it is the sign of, up to its scale; of
`select`, `maximum`, `minimum` and `clip` their arguments; of a magnitude its argument, if that had one sign only; and
how a state is made that stayed 0.
"""

import hashlib
import threading
from typing import Final, Literal, TypeAlias

import numpy as np

from search_spaces.optimizer_program.canonical_form import forms
from search_spaces.optimizer_program.probe import ALIKE, GIVEN, ORDINARY, Array, Probe, Trace
from search_spaces.optimizer_program.program import G, Program
from search_spaces.optimizer_program.value_facts import CLIP, DIV, MAXIMUM, MINIMUM, MUL, SELECT, SIGN
from search_spaces.optimizer_program.value_numbering import DEAD, ON_GRADIENT, ON_STATES, FormTable, Roots
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX, TREE

Reason: TypeAlias = Literal[
    "",
    "update does not depend on the gradient",
    "update is zero",
    "not finite on the probe",
    "update is huge on the probe",
    "moves uphill",
]
REASONS: Final[tuple[Reason, ...]] = (
    "update does not depend on the gradient",
    "update is zero",
    "not finite on the probe",
    "update is huge on the probe",
    "moves uphill",
)

HUGE: Final = 1e6
"""Largest update of a useful program where parameters, gradients and the learning rate are about 1 at most: one step
throws a weight a million times its size, and learning rates that are tried differ by less."""

NOTHING: Final = 1e-12
"""Updates below this are none: at 1000 times the learning rate a float32 weight of 0.1 does not change."""

MAX_VERDICTS: Final = 50_000
"""Verdicts kept before they are dropped; about 10 MB."""

_BITS: Final = 27
"""Binary digits that count: eight decimal ones."""
_NOISE: Final = 1e-12
"""Numbers below this share of the largest of their step are what is left of a cancellation."""

_MAGNITUDES: Final = frozenset(INDEX[name] for name in ("abs", "sqrt", "log", "log2", "log10"))


class Prober:
    """Screens and fingerprints programs; remembers values and verdicts within bounds. One per thread."""

    def __init__(self) -> None:
        self._probe = Probe(forms())
        self._seen: dict[Roots, tuple[str, Reason]] = {}

    def __len__(self) -> int:
        """Returns the number of verdicts remembered now."""
        return len(self._seen)

    def fingerprint(self, program: Program) -> str:
        """Returns 32 hex digits shared by programs that are the same rule."""
        return self._judged(program)[0]

    def reason(self, program: Program) -> Reason:
        """Returns why a program is not worth a trial, or "".

        An update is refused that ignores the gradient, or that on the steps of the probe is 0 throughout, is not finite
        or huge where gradients and parameters are ordinary, or never has a positive inner product with gradients that
        agree.
        """
        return self._judged(program)[1]

    def _judged(self, program: Program) -> tuple[str, Reason]:
        table = forms()
        if table is not self._probe.table or len(self._seen) > MAX_VERDICTS:
            self._probe = Probe(table)
            self._seen.clear()
        roots = table.roots(program)
        found = self._seen.get(roots)
        if found is None:
            with np.errstate(all="ignore"):
                trace = self._probe.values(roots)
                found = self._seen[roots] = (_name(table, roots, trace), _verdict(table, roots, trace))
        return found


def _verdict(table: FormTable, roots: Roots, trace: Trace) -> Reason:
    updates = trace.rows(roots[0])
    size = np.abs(updates)
    if np.fmax.reduce(size, axis=None) <= NOTHING:
        return "update is zero"
    if not table.reads(roots) & ON_GRADIENT:
        return "update does not depend on the gradient"
    largest = size[:ORDINARY].max()
    if not largest < np.inf:
        return "not finite on the probe"
    if largest > HUGE:
        return "update is huge on the probe"
    return "" if ((updates * GIVEN[G])[:ALIKE].sum(1) > 0.0).any() else "moves uphill"


def _name(table: FormTable, roots: Roots, trace: Trace) -> str:
    updates = trace.rows(roots[0])
    largest = np.abs(updates).max()
    if largest <= NOTHING:
        text = b"zero"
    else:
        hidden = [_hidden(table, trace, value) for value in trace.order]
        hidden += [table.digest(root) for root in roots[1:] if root != DEAD and _is_idle(table, trace, root)]
        if largest < np.inf and None not in hidden:
            text = b"function" + _rounded(updates) + b"".join(sorted({part for part in hidden if part}))
        else:
            text = b"form" + table.form(roots)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _hidden(table: FormTable, trace: Trace, value: int) -> bytes | None:
    """Returns a digest of what a value does not show of what it is made of, b"" if nothing, None if not finite."""
    function, arguments = table.functions[value], table.arguments[value]
    if function == SIGN:
        parts = [_direction(trace.rows(arguments[0]))]
    elif function in (DIV, MUL):
        if min(table.kinds[argument] for argument in arguments) < TREE or not _is_one_size(trace.rows(value)):
            return b""
        read = [trace.rows(argument) for argument in (arguments[:1] if function == DIV else arguments)]
        parts = [_direction(rows) for rows in read if not _is_one_size(rows)]
    elif function in _MAGNITUDES:
        rows = trace.rows(arguments[0])
        shown = table.is_nonnegative(arguments[0]) or rows.min() < 0.0 < rows.max()
        parts = [] if shown else [rows]
    elif function in (SELECT, MAXIMUM, MINIMUM, CLIP):
        parts = [trace.rows(argument) for argument in arguments]
    else:
        return b""
    if not all(np.isfinite(rows).all() for rows in parts):
        return None
    named = [_digest(_rounded(rows)) for rows in parts]
    if function in (MUL, MAXIMUM, MINIMUM):
        named.sort()
    if function == SELECT:
        named[0] = _digest(_rounded(_direction(parts[0])))
    return b"".join(named) if len(named) < 2 else _digest(FUNCTIONS[function].name.encode() + b"".join(named))


def _is_idle(table: FormTable, trace: Trace, root: int) -> bool:
    """Whether a state stayed 0 on the probe that other gradients or parameters might move."""
    return bool(table.masks[root] & ~ON_STATES) and not trace.rows(root).any()


def _is_one_size(rows: Array) -> bool:
    """Whether all numbers of a step have the same magnitude, at every step."""
    size = np.abs(rows)
    top = size.max(1)
    return bool((top - size.min(1) <= 1e-9 * top).all())


def _direction(rows: Array) -> Array:
    """Returns rows without their scale, which a sign does not see.

    One scale for all steps: sign((t - 50) g) and sign((t - 60) g) differ in nothing else.
    """
    top = np.abs(rows).max()
    return np.asarray(rows / top if top > 0.0 else rows)


def _rounded(rows: Array) -> bytes:
    """Returns the bytes of numbers rounded to eight digits; what is only left of a cancellation becomes 0."""
    size = np.abs(rows)
    fractions, exponents = np.frexp(np.where(size > _NOISE * size.max(1, keepdims=True), rows, 0.0))
    rounded: Array = np.ldexp(np.rint(np.ldexp(fractions, _BITS)), exponents - _BITS) + 0.0
    return rounded.tobytes()


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


_THREAD: Final = threading.local()


def prober() -> Prober:
    """Returns this thread's prober; a memory of pure results, so every thread and process gets the same answers."""
    found: Prober | None = getattr(_THREAD, "prober", None)
    if found is None:
        found = _THREAD.prober = Prober()
    return found


def fingerprint(program: Program) -> str:
    """Returns `Prober.fingerprint` from this thread's prober."""
    return prober().fingerprint(program)


def reason(program: Program) -> Reason:
    """Returns `Prober.reason` from this thread's prober."""
    return prober().reason(program)
