"""A norm-act layer as a short list of nodes, and its form as a genotype.

Why: Liu et al. 2020 (EvoNorm, arXiv 2004.02967) search layers as graphs of primitive operators over four given values.
Tuples are what every part of this space works on; the genotype (plain answers by name) is what is stored and proposed.
The rule: value 0 is the input x, 1 is zero, 2 is v0 and 3 is v1 (per channel, starting at 0 and 1); node i of the tuple
is value 4 + i and reads earlier values only, so there are no cycles; the LAST node is the output.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from automl.contracts.space import Genotype, Suggester
from automl.errors import InvalidSetting
from search_spaces.norm_act.operators import BINARY, OPERATORS

Node: TypeAlias = tuple[str, int] | tuple[str, int, int]
Nodes: TypeAlias = tuple[Node, ...]

INPUT, ZERO, V0, V1 = range(4)
FIRST = 4
"""Value index of the first node."""

NAMES = ("x", "0", "v0", "v1")
"""The given values as people write them."""

BATCH_SUFFIX = "_bwh"
"""Ends the names of the operators that average over the batch."""

_FILLER: Node = ("neg", ZERO)


def node(operator: str, *arguments: int) -> Node:
    """Returns a node; the caller has checked the number of arguments."""
    return (operator, arguments[0]) if len(arguments) == 1 else (operator, arguments[0], arguments[1])


def live(nodes: Nodes) -> list[bool]:
    """Returns, for each of the len(nodes) + 4 values, whether the output depends on it."""
    alive = [False] * (len(nodes) + FIRST)
    alive[-1] = True
    for index in range(len(nodes) - 1, -1, -1):
        if alive[index + FIRST]:
            for argument in nodes[index][1:]:
                alive[argument] = True
    return alive


def drop_dead(nodes: Nodes) -> Nodes:
    """Returns the nodes that reach the output, renumbered, in their order."""
    alive, place = live(nodes), list(range(FIRST))
    kept: list[Node] = []
    for index, (operator, *arguments) in enumerate(nodes):
        place.append(FIRST + len(kept))
        if alive[index + FIRST]:
            kept.append(node(operator, *(place[argument] for argument in arguments)))
    return tuple(kept)


def pad(nodes: Nodes, *, intermediate: int) -> Nodes:
    """Returns the same function with exactly `intermediate` nodes: dead ones are put in front.

    Raises:
        InvalidSetting: there are more nodes already.
    """
    missing = intermediate - len(nodes)
    if missing < 0:
        raise InvalidSetting("intermediate", intermediate, f"at least {len(nodes)}, the nodes of this graph")
    moved = (node(operator, *(a + missing if a >= FIRST else a for a in arguments)) for operator, *arguments in nodes)
    return (_FILLER,) * missing + tuple(moved)


def to_genotype(nodes: Nodes) -> Genotype:
    """Returns the answers to `ask` that make these nodes."""
    answers: dict[str, str | int] = {}
    for index, (operator, *arguments) in enumerate(nodes, FIRST):
        answers[f"op{index}"] = operator
        for letter, argument in zip("ab", arguments, strict=False):
            answers[f"{letter}{index}"] = argument
    return answers


def to_nodes(genotype: Genotype) -> Nodes:
    """Returns the nodes of a decoded genotype; untrusted answers go through `NormActSpace.decode` first."""
    nodes: list[Node] = []
    index = FIRST
    while (operator := genotype.get(f"op{index}")) is not None:
        arguments = (genotype[f"{letter}{index}"] for letter in ("ab" if operator in BINARY else "a"))
        nodes.append(node(str(operator), *(int(a) for a in arguments)))  # type: ignore[arg-type]
        index += 1
    return tuple(nodes)


def ask(trial: Suggester, *, intermediate: int) -> Genotype:
    """Asks `trial` for every node: its operator `op{i}`, then its arguments `a{i}` and, if binary, `b{i}`."""
    answers: dict[str, str | int] = {}
    for index in range(FIRST, FIRST + intermediate):
        answers[f"op{index}"] = operator = str(trial.suggest_categorical(f"op{index}", OPERATORS))
        for letter in "ab" if operator in BINARY else "a":
            answers[f"{letter}{index}"] = int(trial.suggest_int(f"{letter}{index}", 0, index - 1))
    return answers


def random_node(numbers: Sequence[float], index: int) -> Node:
    """Returns node `index` (a value index, from 4) made of three uniform numbers of [0, 1)."""
    operator = OPERATORS[int(numbers[0] * len(OPERATORS))]
    first = int(numbers[1] * index)
    return (operator, first, int(numbers[2] * index)) if operator in BINARY else (operator, first)


def random_nodes(rng: np.random.Generator, *, intermediate: int) -> Nodes:
    """Returns a random graph: operators and arguments uniform, node by node (the paper's generation)."""
    numbers = rng.random(3 * intermediate).tolist()
    return tuple([random_node(numbers[3 * i : 3 * i + 3], FIRST + i) for i in range(intermediate)])


def depth(nodes: Nodes) -> list[int]:
    """Returns, for each of the len(nodes) + 4 values, the longest way from a given value to it."""
    depths = [0] * FIRST
    for _, *arguments in nodes:
        depths.append(1 + max(depths[argument] for argument in arguments))
    return depths
