"""Published schedules as members of their families.

Why: evolution starts from them, people compare with them, and each is an oracle of the tests. The rule: a number that a
paper gives in steps or epochs is a share of its run here; where it gives none, there is no warm-up. No two are the same
curve.

Sources: linear, Defazio et al. 2023 (arXiv 2310.07831), and its fits of refined schedules by a warm-up and a power
(`warmup-power` and `fit-...`); cosine and sgdr, Loshchilov and Hutter 2017 (T_0 = 10, T_mult = 2, 150 epochs); wsd,
Haegele et al. 2024, with cooldowns of a fifth and of a tenth; cosine-power, Hundt et al. 2019 (k = 10; `cifar` k = 2,
.025 to 1e-4, without its warm-up of 5 epochs); rex, Chen et al. 2021; one-cycle, torch's defaults; step and milestones,
ResNet on ImageNet (every 30 of 90 epochs) and 30-60-90 %; wide-resnet, Zagoruyko and Komodakis 2016 (x 0.2 after 60,
120 and 160 of 200 epochs); poly, DeepLab (power 0.9); noam, Vaswani et al. 2017 (4,000 of 100,000 steps); cosine-floor,
Chinchilla (down to a tenth); infinite, Singh et al. 2025; hypergradient, fedhyper and plateau, the rules of `reactive`
with their defaults there.
"""

from collections.abc import Mapping

import numpy as np

from search_spaces.lr_schedule.annealing import CosinePower
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
from search_spaces.lr_schedule.families import Rule
from search_spaces.lr_schedule.free_form import Knots, falling
from search_spaces.lr_schedule.reactive import FedHyper, Hypergradient, Plateau
from search_spaces.lr_schedule.stable import Infinite, WarmupStableDecay

DESIGNS: Mapping[str, Rule] = {  # the first six are what evolution starts from
    "linear": Linear(),
    "cosine": Cosine(),
    "wsd-1sqrt": WarmupStableDecay(cooldown=0.2, form="1-sqrt"),
    "cosine-power": CosinePower(power=10.0),
    "warmup-power": Polynomial(warmup=0.20, power=0.9),
    "rex": Rex(),
    "constant": Constant(),
    "wsd-linear": WarmupStableDecay(cooldown=0.2, form="linear"),
    "wsd-1sqrt-short": WarmupStableDecay(cooldown=0.1, form="1-sqrt"),
    "wsd-cosine": WarmupStableDecay(cooldown=0.2, form="cosine"),
    "one-cycle": OneCycle(),
    "sgdr": WarmRestarts(cycles=4, growth=2),
    "step": Step(every=1 / 3, factor=0.1),
    "milestones": Milestones(first=0.3, second=0.6, third=0.9, factor=0.1),
    "wide-resnet": Milestones(first=0.3, second=0.6, third=0.8, factor=0.2),
    "poly": Polynomial(power=0.9),
    "exponential": Exponential(end=0.01),
    "noam": InverseRoot(warmup=0.04),
    "cosine-floor": Cosine(floor=0.1),
    "cosine-power-cifar": CosinePower(power=2.0, floor=0.004),
    "infinite-cosine": Infinite(warmup=0.05, bend="cosine"),
    "infinite-inverse-sqrt": Infinite(warmup=0.05, bend="inverse-sqrt"),
    "fit-imagenet": Polynomial(warmup=0.01, power=3.0),
    "fit-rcnn": Polynomial(power=1.5),
    "fit-gpt": Linear(warmup=0.28),
    "fit-roberta": Polynomial(warmup=0.45, power=0.8),
    "fit-mri": Polynomial(warmup=0.40, power=0.9),
    "hypergradient": Hypergradient(),
    "fedhyper": FedHyper(),
    "plateau": Plateau(),
}


def knot_designs(knots: int) -> Mapping[str, Rule]:
    """Returns the free curves that follow linear decay and a cosine with this many drops; seeds of free-form search."""
    x = np.arange(knots + 1) / knots
    curves = {"knots-linear": 1 - x, "knots-cosine": (1 + np.cos(np.pi * x)) / 2}
    return {name: Knots(drop=falling(curve.tolist())) for name, curve in curves.items()}
