"""All families by name.

Why: a genotype names its family, and a name must find its class. The rule: `OPEN_LOOP` is what is searched unless the
user says otherwise; `points` has 33 settings of little meaning each, and the reactive rules have no curve that could be
drawn, predicted or refined, so both are asked for only when named.
"""

from collections.abc import Mapping
from typing import TypeAlias

from search_spaces.lr_schedule.annealing import CosinePower
from search_spaces.lr_schedule.curve import Curve
from search_spaces.lr_schedule.cycles import OneCycle, WarmRestarts
from search_spaces.lr_schedule.decay import (
    Constant,
    Cosine,
    Exponential,
    InverseRoot,
    Linear,
    Milestones,
    Polynomial,
    Rex,
    Step,
)
from search_spaces.lr_schedule.free_form import Knots, Points
from search_spaces.lr_schedule.reactive import FedHyper, Hypergradient, Plateau, Reactive
from search_spaces.lr_schedule.stable import Infinite, WarmupStableDecay

Rule: TypeAlias = Curve | Reactive

_CURVES: tuple[type[Curve], ...] = (
    *(Constant, Linear, Polynomial, Cosine, Exponential, CosinePower, WarmRestarts, OneCycle, Step, Milestones),
    *(InverseRoot, Rex, WarmupStableDecay, Infinite, Knots),
)
_REACTIVE: tuple[type[Reactive], ...] = (Hypergradient, FedHyper, Plateau)

OPEN_LOOP: tuple[str, ...] = tuple(one.family for one in _CURVES)
REACTIVE: tuple[str, ...] = tuple(one.family for one in _REACTIVE)
FAMILIES: Mapping[str, type[Curve] | type[Reactive]] = {
    **{one.family: one for one in _CURVES},
    Points.family: Points,
    **{one.family: one for one in _REACTIVE},
}
