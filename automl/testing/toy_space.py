"""A small conditional search space with a score that costs microseconds, for tests of searchers and flows.

Why: the machinery around training must be tested without training. A genotype is a little expression graph over x
and 1; its score says how well it fits a fixed curve. The rule: only additions, products, halves, absolute values and
divisions, which every machine computes alike, so that a pinned digest holds everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from automl.authoring import SuggestedSpace
from automl.canonical import digest
from automl.contracts.recipe import Recipe
from automl.contracts.space import Genotype, Suggester
from automl.contracts.trial import Objective

INPUTS = ("x", "1")
NODES = 6
UNARY = ("negate", "absolute", "half", "square")
BINARY = ("add", "subtract", "multiply", "maximum")
COMMUTATIVE = ("add", "multiply", "maximum")
OUTPUT = len(INPUTS) + NODES - 1

GRID = tuple(step / 4 - 1 for step in range(9))
TARGET = tuple(5 - x * x for x in GRID)

TOY_OBJECTIVES = (
    Objective(name="score", direction="maximize", metric="accuracy", chance=0.0),
    Objective(name="size", direction="minimize", metric="size"),
)
"""How well the expression fits, in (0, 1], and how many different expressions it computes."""


class ToySpace(SuggestedSpace):
    """Expressions of at most six nodes over x and 1; binary nodes ask for a second input.

    Nodes are numbered after the inputs; the last one is the output. Nodes it does not reach are dead, and expressions
    that differ in dead nodes, in numbering or in the order of a commutative pair share a fingerprint.
    """

    name = "toy"
    version = 1
    slots = frozenset({"schedule"})

    def suggest(self, trial: Suggester) -> None:
        """Asks operation and inputs of each node."""
        for node in range(len(INPUTS), OUTPUT + 1):
            operation = trial.suggest_categorical(f"op{node}", [*UNARY, *BINARY])
            trial.suggest_int(f"a{node}", 0, node - 1)
            if operation in BINARY:
                trial.suggest_int(f"b{node}", 0, node - 1)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with the expression, over the share of steps done, as its schedule."""
        return recipe.replace(schedule=ToySchedule(genotype=dict(genotype)))

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest of the live part of the graph."""
        return digest([self.name, self.version, _Graph(genotype).identities[OUTPUT]])

    def describe(self, genotype: Genotype) -> str:
        """Returns the expression as a formula."""
        return _Graph(genotype).formula(OUTPUT)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns three plain designs."""
        return {name: _chain(*steps) for name, steps in _DESIGNS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySchedule:
    """The expression as a learning-rate schedule: its value at t/T, at least 0.

    Attributes:
        genotype: of the toy space.
    """

    genotype: Mapping[str, Any]

    def init(self, steps: int) -> int:
        """Returns the horizon."""
        return steps

    def multiplier(self, state: int, step: int, signals: Mapping[str, float]) -> tuple[float, int]:
        """Returns (factor, horizon)."""
        return max(0.0, _Graph(self.genotype).value(OUTPUT, step / state)), state


def toy_values(genotype: Genotype) -> tuple[float, float]:
    """Returns (score, size), the values of `TOY_OBJECTIVES`; score = 1 / (1 + mean |f - target|)."""
    graph = _Graph(genotype)
    error = sum(abs(graph.value(OUTPUT, x) - goal) for x, goal in zip(GRID, TARGET, strict=True)) / len(GRID)
    return 1 / (1 + error), float(graph.size)


class _Graph:
    """A genotype read as a graph; nodes below `len(INPUTS)` are the inputs."""

    def __init__(self, genotype: Genotype) -> None:
        self._genotype: Mapping[str, Any] = genotype

    def operation(self, node: int) -> str:
        return str(self._genotype[f"op{node}"])

    def parents(self, node: int) -> tuple[int, ...]:
        if node < len(INPUTS):
            return ()
        names = (f"a{node}", f"b{node}")
        return tuple(int(self._genotype[name]) for name in names if name in self._genotype)

    @cached_property
    def live(self) -> tuple[int, ...]:
        """The operation nodes that the output depends on, in order."""
        found: set[int] = set()
        waiting = [OUTPUT]
        while waiting:
            node = waiting.pop()
            if node >= len(INPUTS) and node not in found:
                found.add(node)
                waiting.extend(self.parents(node))
        return tuple(sorted(found))

    def value(self, output: int, x: float) -> float:
        values = {0: x, 1: 1.0}
        for node in self.live:
            values[node] = _compute(self.operation(node), *(values[parent] for parent in self.parents(node)))
        return values[output]

    @cached_property
    def identities(self) -> Mapping[int, str]:
        """Node -> digest of the expression it stands for; the inputs are their own."""
        texts: dict[int, str] = dict(enumerate(INPUTS))
        for node in self.live:
            inside = [texts[parent] for parent in self.parents(node)]
            inside = sorted(inside) if self.operation(node) in COMMUTATIVE else inside
            texts[node] = digest([self.operation(node), *inside])
        return texts

    @property
    def size(self) -> int:
        """Number of different expressions that have to be computed, inputs not counted."""
        return len(set(self.identities.values())) - len(INPUTS)

    def formula(self, output: int) -> str:
        if output < len(INPUTS):
            return INPUTS[output]
        return f"{self.operation(output)}({', '.join(self.formula(parent) for parent in self.parents(output))})"


def _compute(operation: str, first: float, second: float = 0.0) -> float:
    match operation:
        case "negate":
            return -first
        case "absolute":
            return abs(first)
        case "half":
            return first / 2
        case "square":
            return first * first
        case "add":
            return first + second
        case "subtract":
            return first - second
        case "multiply":
            return first * second
        case _:
            return max(first, second)


_DESIGNS: Mapping[str, tuple[tuple[str, int, int | None], ...]] = {
    "half": (("half", 0, None),),
    "square": (("square", 0, None),),
    "ramp": (("negate", 0, None), ("maximum", 0, 2)),
}


def _chain(*steps: tuple[str, int, int | None]) -> Genotype:
    """Returns a genotype that ends in `steps` (operation, a, b), its dead nodes before them; inputs count from 2 on."""
    genotype: dict[str, Any] = {}
    shift = NODES - len(steps)
    padding = [("negate", 0, None)] * shift
    for node, (operation, first, second) in enumerate([*padding, *steps], start=len(INPUTS)):
        genotype[f"op{node}"] = operation
        for name, parent in (("a", first), ("b", second)):
            if parent is not None:
                live = node >= len(INPUTS) + shift and parent >= len(INPUTS)
                genotype[f"{name}{node}"] = parent + shift if live else parent
    return genotype
