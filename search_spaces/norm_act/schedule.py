"""From expressions to a program: what runs once, what runs per block of samples, and in which buffers.

Why: almost all values of a layer concern one sample at a time, so the batch is walked in blocks and every temporary is
one block large, whatever the batch. The rule: a sum over the samples ends a phase. A value of phase k needs k such sums
before it; phase k runs first the values without a sample axis, then one loop over the blocks. A cheap full-size value
that a later loop needs again is computed again; an expensive one is kept.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from search_spaces.norm_act.expressions import Expressions
from search_spaces.norm_act.kernels import Kernel

EXPENSIVE_PASSES = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call.

    Attributes:
        op: name of the kernel.
        target: what it computes: an expression's number, or a negative number for a part of a combination.
        arguments: what it reads.
        full: whether the target is full-size.
    """

    op: str
    target: int
    arguments: tuple[int, ...]
    full: bool


@dataclass(slots=True, kw_only=True)
class Phase:
    """One phase of a program.

    Attributes:
        once: steps on values without a sample axis.
        per_block: steps of the loop over the blocks.
        reads: values with a sample axis that the loop takes block by block.
        output: parts that the loop writes into the output.
    """

    once: list[Step] = field(default_factory=list)
    per_block: list[Step] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    output: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Phases in order, and what passes between them.

    Attributes:
        phases: at least one.
        kept: full-size values kept from the loop that computes them for later loops.
        joined: small values with a sample axis that are needed for the whole batch.
        passed: small values with a sample axis that a later loop reads again.
    """

    phases: tuple[Phase, ...]
    kept: frozenset[int]
    joined: frozenset[int]
    passed: frozenset[int]


class Planner:
    """Orders the work for one full-size output and any small results.

    Attributes:
        known: inputs: values that need no computing.
        kernels: full-size kernels, for their cost.
    """

    def __init__(self, expressions: Expressions, known: Iterable[int], kernels: Mapping[str, Kernel]) -> None:
        self.e, self.known, self.kernels = expressions, frozenset(known), kernels
        self._parts = 0

    def plan(self, output: int | None, results: Iterable[int]) -> Plan:
        """Returns the phases that compute a full-size `output` (None: there is none) and small `results`."""
        self.kept, self.passed = set[int](), set[int]()
        wanted = [*results, *([] if output is None else [output])]
        self.level = self._levels(wanted)
        last = max((self.level[number] for number in wanted), default=0)
        phases, seen = [], set[int]()
        for level in range(last + 1):
            phase = Phase(once=self._once(level))
            self._loop(phase, level=level, output=output, seen=seen)
            phases.append(phase)
        joined = {s.arguments[0] for phase in phases for s in phase.once if s.op == "sum_n"}
        joined |= {number for number in results if "n" in self.e.axes(number)}
        return Plan(
            phases=tuple(phases),
            kept=frozenset(self.kept),
            joined=frozenset(joined - self.known),
            passed=frozenset(self.passed - self.known),
        )

    def _levels(self, wanted: Iterable[int]) -> dict[int, int]:
        """Number of sums over the samples that each needed value waits for."""
        needed, found = self._closure(wanted, stop=self.known), dict[int, int]()
        for number in sorted(needed):
            expression = self.e[number]
            waits = [found[argument] for argument in expression.arguments] if number not in self.known else []
            found[number] = max(waits, default=0) + (number not in self.known and expression.op == "sum_n")
        return found

    def _closure(self, wanted: Iterable[int], *, stop: frozenset[int]) -> set[int]:
        found, open_ = set[int](), list(wanted)
        while open_:
            number = open_.pop()
            if number not in found:
                found.add(number)
                if number not in stop:
                    open_ += self.e[number].arguments
        return found

    def _computed(self, number: int) -> bool:
        return number not in self.known and self.e[number].op not in ("given", "constant")

    def _once(self, level: int) -> list[Step]:
        here = [n for n, waits in sorted(self.level.items()) if waits == level and self._computed(n)]
        return [Step(self.e[n].op, n, self.e[n].arguments, False) for n in here if "n" not in self.e.axes(n)]

    def _loop(self, phase: Phase, *, level: int, output: int | None, seen: set[int]) -> None:
        """Writes the loop of one phase; `seen` collects the full-size values of earlier loops."""
        wanted = [n for n, waits in sorted(self.level.items()) if waits == level and self._computed(n)]
        roots = [n for n in wanted if "n" in self.e.axes(n) and not self.e.full(n)]
        pieces = self._output_parts(output, level)
        inside = self._inside([*roots, *(part for piece in pieces for part in piece)], level=level, seen=seen)
        writer = _Writer(self, phase, inside=inside)
        for root in roots:
            writer.visit(root)
        if pieces:
            started = any(self._output_parts(output, earlier) for earlier in range(level))
            assert output is not None
            writer.output(output, pieces, started=started)
        seen |= {n for n in inside if self.e.full(n)}

    def _output_parts(self, output: int | None, level: int) -> list[tuple[int, ...]]:
        """Terms (atom, coefficient) and remainder (k,) of the output that can first be added in this phase."""
        if output is None:
            return []
        if output in self.known or self.e[output].op != "lin":
            return [(output,)] if self.level[output] == level else []
        terms, rest = self.e.terms(output)
        parts: list[tuple[int, ...]] = [term for term in terms.items() if max(self.level[n] for n in term) == level]
        return [*parts, (rest,)] if rest != self.e.zero and self.level[output] == level else parts

    def _inside(self, roots: list[int], *, level: int, seen: set[int]) -> set[int]:
        """What the loop of this phase computes itself; notes what it gets from earlier loops."""
        found, open_ = set[int](), list(roots)
        while open_:
            number = open_.pop()
            if number in found or not self._computed(number) or "n" not in self.e.axes(number):
                continue
            if not self.e.full(number):
                if self.level[number] < level:
                    self.passed.add(number)
                    continue
            elif number in seen and (number in self.kept or self._expensive(number)):
                self.kept.add(number)
                continue
            found.add(number)
            open_ += self.e[number].arguments
        return found

    def _expensive(self, number: int) -> bool:
        kernel = self.kernels.get(self.e[number].op)
        return kernel is not None and kernel.passes >= EXPENSIVE_PASSES

    def part(self) -> int:
        """Returns a fresh number for an unfinished combination."""
        self._parts -= 1
        return self._parts


class _Writer:
    """Writes the steps of one loop, arguments first."""

    def __init__(self, planner: Planner, phase: Phase, *, inside: set[int]) -> None:
        self.planner, self.e, self.phase, self.inside = planner, planner.e, phase, inside
        self.uses = Counter(argument for number in inside for argument in self.e[number].arguments)
        self.done: set[int] = set()

    def visit(self, number: int) -> None:
        """Makes sure that a value is computed, or read from outside the loop."""
        if number in self.done:
            return
        self.done.add(number)
        expression = self.e[number]
        if number not in self.inside:
            if "n" in expression.axes:
                self.phase.reads.add(number)
            return
        if expression.op == "lin":
            terms, rest = self.e.terms(number)
            parts: list[tuple[int, ...]] = [*terms.items(), *([(rest,)] if rest != self.e.zero else [])]
            self._combine(parts, None)
            last = self.phase.per_block.pop()
            self._step(last.op, number, *last.arguments)
        else:
            self._kernel(number)

    def output(self, output: int, parts: list[tuple[int, ...]], *, started: bool) -> None:
        """Adds the parts to the output, or begins it with them."""
        total: int | None = None
        if started:
            total = self.planner.part()
            self.phase.output.add(total)
        first = len(self.phase.per_block)
        if not started and len(parts) == 1 and parts[0][1:] in ((), (self.e.one,)):
            self._alone(parts[0][0])
            return
        self._combine(parts, total)
        self.phase.output |= {step.target for step in self.phase.per_block[first:] if step.target in self.chain}

    def _alone(self, atom: int) -> None:
        self.visit(atom)
        if atom in self.inside and atom not in self.planner.kept:
            self.phase.output.add(atom)
        else:
            self.phase.output.add(self._step("shift", self.planner.part(), atom, self.e.zero))

    def _kernel(self, number: int) -> None:
        expression = self.e[number]
        op, arguments = expression.op, expression.arguments
        if op == "mul" and self.e.full(number):
            for a, b in (arguments, arguments[::-1]):
                if self.e[b].op == "rcp" and b in self.inside and b not in self.done and self.uses[b] == 1:
                    op, arguments = "div", (a, self.e[b].arguments[0])
                    break
        for argument in arguments:
            self.visit(argument)
        self._step(op, number, *arguments)

    def _combine(self, parts: list[tuple[int, ...]], total: int | None) -> int:
        """Adds up atoms times coefficients and a remainder, at most one sweep over memory for each."""
        self.chain = set[int]()
        one = self.e.one
        for part in sorted(parts, key=lambda part: (len(part) == 1, part[-1] != one)):
            for number in part:
                self.visit(number)
            if total is None and part[-1] == one:
                total = part[0]
                continue
            operands, op = part, "mul"
            if total is not None:
                operands = (total, *part)
                product = "add_product" if self.e.value(part[-1]) is None else "add_multiple"
                op = "shift" if len(part) == 1 else product
            total = self._step(op, self.planner.part(), *operands)
            self.chain.add(total)
        assert total is not None
        return total

    def _step(self, op: str, target: int, *arguments: int) -> int:
        self.phase.per_block.append(Step(op, target, arguments, target < 0 or self.e.full(target)))
        return target
