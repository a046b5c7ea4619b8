"""A chain: one path through the HyperCuboid, as data, as answers and as one line of text.

Why: the grid search, its decoders and the black-box search all end in a chain, and people compare chains by eye. The
rule: a record that exists is legal; from untrusted data only `to_chain` and `read_chain` make one, and they say what is
wrong. Paper: Hundt, Jain, Hager 2019 (arXiv 1903.09900).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.canonical import JSON
from automl.errors import InvalidGenotype
from search_spaces.darts.hypercuboid.plan import MOST_CHANNELS, MOST_STEPS, PRIMITIVES

LETTERS: Mapping[str, str] = {"resizable_pool": "R", "sharp_sep_conv": "S"}
"""Primitive -> its letter in the one-line form."""

_TEXT = re.compile(r"(\d{1,5}):((?: \d{1,5}[RS]){1,64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One path.

    Attributes:
        stem: channels behind the first convolution.
        steps: (channels behind the step, primitive) per step, an even number of them.
    """

    stem: int
    steps: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.steps) <= MOST_STEPS or len(self.steps) % 2:
            raise InvalidGenotype("$", f"{len(self.steps)} steps", f"an even number of steps in [2, {MOST_STEPS}]")
        widths = {"stem": self.stem, **{f"channels{n}": step[0] for n, step in enumerate(self.steps, 1)}}
        for name, channels in widths.items():
            if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
                raise InvalidGenotype(name, channels, f"an int in [1, {MOST_CHANNELS}]")
        for number, (_, primitive) in enumerate(self.steps, 1):
            if primitive not in PRIMITIVES:
                raise InvalidGenotype(f"operation{number}", primitive, f"one of {list(PRIMITIVES)}")

    def __str__(self) -> str:
        """Returns the one-line form, e.g. `32: 32S 64R` (S = SharpSepConv, R = ResizablePool)."""
        return f"{self.stem}: " + " ".join(f"{channels}{LETTERS[primitive]}" for channels, primitive in self.steps)


def read_chain(text: str) -> Chain:
    """Reads the one-line form.

    Raises:
        InvalidGenotype: anything else.
    """
    matched = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if matched is None:
        raise InvalidGenotype("$", text, "channels of the stem, then channels and R or S per step: '32: 32S 64R'")
    names = {letter: primitive for primitive, letter in LETTERS.items()}
    steps = tuple((int(part[:-1]), names[part[-1]]) for part in matched[2].split())
    return Chain(stem=int(matched[1]), steps=steps)


def to_genotype(chain: Chain) -> dict[str, JSON]:
    """Returns the answers: `stem`, then `channels1`, `operation1`, `channels2`, ..."""
    genotype: dict[str, JSON] = {"stem": chain.stem}
    for number, (channels, primitive) in enumerate(chain.steps, 1):
        genotype |= {f"channels{number}": channels, f"operation{number}": primitive}
    return genotype


def to_chain(genotype: Mapping[str, Any]) -> Chain:
    """Reads the answers.

    Raises:
        InvalidGenotype: an answer that is missing, illegal or not asked for.
    """
    if not isinstance(genotype, Mapping):
        raise InvalidGenotype("$", genotype, "an object that maps names to answers")
    steps = range(1, min(len(genotype) - 1, 2 * MOST_STEPS) // 2 + 1)
    asked = ["stem", *(f"{part}{number}" for number in steps for part in ("channels", "operation"))]
    for name in asked:
        if name not in genotype:
            raise InvalidGenotype(name, "missing", "an answer to this question")
    for name in genotype:
        if name not in asked:
            raise InvalidGenotype("$", f"an object with {name!r}", f"only {asked[:40]}")
    parts = tuple((genotype[f"channels{number}"], genotype[f"operation{number}"]) for number in steps)
    return Chain(stem=genotype["stem"], steps=parts)
