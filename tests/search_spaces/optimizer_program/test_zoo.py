"""Every design against its formula in numpy; see `test_zoo_tables` for published numbers."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from search_spaces.optimizer_program.program import NAMED, fault, from_rows, is_valid
from search_spaces.optimizer_program.reference import Leaves, run, step_noise
from search_spaces.optimizer_program.vocabulary import EXTENDED, INDEX, LION
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)
SHAPES = ((3, 4), (5,), (2, 3, 2))
STEPS = 20
Arrays = list[np.ndarray]
States = dict[str, Arrays]
Formula = Callable[[Arrays, Arrays, States, float, int, Arrays], Arrays]
"""(w, g, states, lr, t, noise) -> update; changes the states."""


def double(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def trajectory(
    name: str, w: Arrays, gradients: Sequence[Arrays], lrs: Sequence[float]
) -> Iterator[tuple[Leaves, Leaves, Leaves, Leaves]]:
    """Yields (update, w, v1, v2) after each step."""
    program, w = from_rows(DESIGNS[name]), tuple(map(double, w))
    first = second = tuple(torch.zeros_like(leaf) for leaf in w)
    for t, (g, lr) in enumerate(zip(gradients, lrs, strict=True), 1):
        noise = step_noise(SHAPES, seed=3, step=t, like=w[0])
        numbers = {"lr": double(lr), "t": double(t)}
        update, first, second = run(program, w=w, g=tuple(map(double, g)), v1=first, v2=second, **numbers, noise=noise)
        w = tuple(leaf - move for leaf, move in zip(w, update, strict=True))
        yield update, w, first, second


def random_course() -> tuple[Arrays, list[Arrays], list[float]]:
    """Parameters, gradients of 20 steps, learning rates below 1; each second gradient is nearly orthogonal to w."""
    rng = np.random.default_rng(5)
    w = [rng.normal(size=shape) for shape in SHAPES]
    gradients = []
    for t in range(STEPS):
        g = [rng.normal(size=shape) * 0.4 for shape in SHAPES]
        radial = [(a * b).sum() / (a * a).sum() for a, b in zip(w, g, strict=True)]
        gradients.append([b - r * a if t % 2 else b for a, b, r in zip(w, g, radial, strict=True)])
    return w, gradients, (0.3 + 0.6 * rng.random(STEPS)).tolist()


# Formulas


def each(f: Callable[..., np.ndarray], *trees: Arrays) -> Arrays:
    return [f(*leaves) for leaves in zip(*trees, strict=True)]


def flat_dot(a: Arrays, b: Arrays) -> float:
    return float(sum((x * y).sum() for x, y in zip(a, b, strict=True)))


def mean_of(s: States, name: str, keep: float, new: Arrays) -> Arrays:
    """The exponential moving average of state `name`."""
    s[name] = each(lambda old, x: keep * old + (1 - keep) * x, s[name], new)
    return s[name]


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def clipped(g: Arrays, limit: float) -> Arrays:
    length = math.sqrt(flat_dot(g, g))
    return [x * min(1.0, limit / length) for x in g]


def adam_direction(g: Arrays, s: States, t: int) -> Arrays:
    m, v = mean_of(s, "v1", 0.9, g), mean_of(s, "v2", 0.999, [x**2 for x in g])
    return each(lambda a, b: a / (1 - 0.9**t) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8), m, v)


def adamw(w, g, s, lr, t, noise):
    m, v = mean_of(s, "v1", 0.9, g), mean_of(s, "v2", 0.999, [x**2 for x in g])
    return each(lambda p, a, b: 0.001 * lr * (ratio(a, np.sqrt(b)) + 0.01 * p), w, m, v)


def lion(w, g, s, lr, t, noise):
    update = each(lambda m, x: 0.0002 * lr * np.sign(0.9 * m + 0.1 * x), s["v1"], g)
    mean_of(s, "v1", 0.99, g)
    return update


def momentum(w, g, s, lr, t, noise):
    s["v1"] = each(lambda v, x: 0.9 * v + x, s["v1"], g)
    return [0.1 * lr * v for v in s["v1"]]


def nesterov(w, g, s, lr, t, noise):
    momentum(w, g, s, lr, t, noise)
    return each(lambda v, x: 0.1 * lr * (x + 0.9 * v), s["v1"], g)


def rmsprop(w, g, s, lr, t, noise):
    v = mean_of(s, "v2", 0.99, [x**2 for x in g])
    return each(lambda x, b: 0.001 * lr * x / (np.sqrt(b) + 1e-8), g, v)


def rmsprop_tf(w, g, s, lr, t, noise):
    squares = s.get("squares", [np.ones_like(x) for x in g])
    s["squares"] = each(lambda old, x: old + 0.1 * (x**2 - old), squares, g)
    s["v1"] = each(lambda b, x, v: 0.9 * b + 0.01 * lr * x / np.sqrt(v + 1e-10), s["v1"], g, s["squares"])
    s["v2"] = [v - 1 for v in s["squares"]]
    return s["v1"]


def adabelief_like(w, g, s, lr, t, noise):
    m = mean_of(s, "v1", 0.9, g)
    v = mean_of(s, "v2", 0.999, each(lambda x, a: (x - a) ** 2, g, m))
    return each(lambda p, a, b: 0.03721 * lr * (a / np.sqrt(b) + 0.0238 * p), w, m, v)


def better_regularisation(w, g, s, lr, t, noise):
    m, v = mean_of(s, "v1", 0.84, g), mean_of(s, "v2", 0.999, [x**2 for x in g])
    radial = flat_dot(g, w)
    update = each(lambda p, a, b: 0.0216 * lr * (np.sin(a / np.sqrt(b)) + radial * p), w, m, v)
    s["v2"] = [np.sin(b) for b in v]
    return update


def lion_found(w, g, s, lr, t, noise, *, inner, outer, decay, scale):
    """m = interp(g, v, inner), v = interp(g, m, outer) of clipped gradients; moves by sign(m) + decay w."""
    x = [np.arcsin(one) for one in clipped(g, lr)]
    m = each(lambda a, v: (1 - inner) * a + inner * v, x, s["v2"])
    s["v2"] = each(lambda a, b: (1 - outer) * a + outer * b, x, m)
    return each(lambda p, b: scale * lr * (np.sign(b) + decay * p), w, m)


def lion_raw(w, g, s, lr, t, noise):
    constants = {"inner": 0.8999999761581421, "outer": 1.109133005142212}
    update = lion_found(w, g, s, lr, t, noise, **constants, decay=0.4601978361606598, scale=0.0002171761734643951)
    s["v1"] = each(lambda u, p: np.cosh(u - 0.0002171761734643951 * lr * 0.4601978361606598 * p), update, w)
    return update


def lion_printed(w, g, s, lr, t, noise):
    update = lion_found(w, g, s, lr, t, noise, inner=0.899, outer=1.109, decay=0.4602, scale=0.0002)
    s["v1"] = [np.cosh(u / (0.0002 * lr)) for u in update]
    return update


def without_radial(w: Arrays, g: Arrays) -> Arrays:
    rest = [x - flat_dot(w, g) / flat_dot(w, w) * p for p, x in zip(w, g, strict=True)]
    return [x * math.sqrt(flat_dot(g, g) / flat_dot(rest, rest)) for x in rest]


def projected(w: Arrays, g: Arrays, direction: Arrays) -> Arrays:
    def one(p: np.ndarray, x: np.ndarray, d: np.ndarray) -> np.ndarray:
        cosine = abs((p * x).sum()) / np.linalg.norm(p) / np.linalg.norm(x)
        unit = p / (np.linalg.norm(p) + 1e-8)
        return d - unit * (unit * d).sum() if cosine < 0.1 / math.sqrt(p.size) else d

    return each(one, w, g, direction)


def adafactor(w, g, s, lr, t, noise):
    kept = 1 - t**-0.8
    s["v2"] = each(lambda v, x: kept * v + (1 - kept) * x**2, s["v2"], g)

    def one(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        matrix = v.reshape(v.shape[0], -1)
        outer = np.outer(matrix.mean(1), matrix.mean(0)) / matrix.mean()
        step = x / np.sqrt(v if v.ndim == 1 else outer.reshape(v.shape))
        return 0.001 * lr * step / max(1.0, math.sqrt((step**2).mean()))

    return each(one, g, s["v2"])


FORMULAS: dict[str, Formula] = {
    "adamw": adamw,
    "adamw-corrected": lambda w, g, s, lr, t, noise: [0.001 * lr * d for d in adam_direction(g, s, t)],
    "lion": lion,
    "momentum": momentum,
    "rmsprop": rmsprop,
    "signum": lambda w, g, s, lr, t, noise: [0.0002 * lr * np.sign(m) for m in mean_of(s, "v1", 0.9, g)],
    "sgd": lambda w, g, s, lr, t, noise: [0.1 * lr * x for x in g],
    "nesterov": nesterov,
    "rmsprop-tf": rmsprop_tf,
    "adamw-clipped": lambda w, g, s, lr, t, noise: [0.001 * lr * d for d in adam_direction(clipped(g, 1.0), s, t)],
    "adabelief-like": adabelief_like,
    "better-regularisation": better_regularisation,
    "lion-raw": lion_raw,
    "lion-printed": lion_printed,
    "orthograd": lambda w, g, s, lr, t, noise: each(lambda p, x: 0.1 * lr * without_radial([p], [x])[0], w, g),
    "orthograd-global": lambda w, g, s, lr, t, noise: [0.1 * lr * x for x in without_radial(w, g)],
    "gradient-noise": lambda w, g, s, lr, t, noise: each(
        lambda x, n: 0.1 * lr * (x + math.sqrt(0.01 / (1 + (t - 1)) ** 0.55) * n), g, noise
    ),
    "adamp": lambda w, g, s, lr, t, noise: [0.001 * lr * d for d in projected(w, g, adam_direction(g, s, t))],
    "sgdp": lambda w, g, s, lr, t, noise: projected(w, g, momentum(w, g, s, lr, t, noise)),
    "adafactor": adafactor,
}  # fmt: skip


def test_every_design_has_a_formula_here():
    assert list(FORMULAS) == list(DESIGNS)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_design_equals_its_formula_over_twenty_steps(name):
    w, gradients, lrs = random_course()
    states: States = {state: [np.zeros_like(leaf) for leaf in w] for state in ("v1", "v2")}
    for t, (update, _, v1, v2) in enumerate(trajectory(name, w, gradients, lrs), 1):
        noise = [leaf.numpy() for leaf in step_noise(SHAPES, seed=3, step=t, like=update[0])]
        expected = FORMULAS[name](w, gradients[t - 1], states, lrs[t - 1], t, noise)
        for given, wanted in ((update, expected), (v1, states["v1"]), (v2, states["v2"])):
            for leaf, array in zip(given, wanted, strict=True):
                np.testing.assert_allclose(leaf.numpy(), array, rtol=1e-10, atol=1e-14)
        w = [leaf - move for leaf, move in zip(w, expected, strict=True)]


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_is_valid_in_the_extended_vocabulary(name):
    program = from_rows(DESIGNS[name])
    assert is_valid(program) and fault(program, EXTENDED) is None


def test_published_programs_need_the_published_vocabulary_only():
    published = {name for name in DESIGNS if fault(from_rows(DESIGNS[name]), LION) is None}
    extended = {"adamw-corrected", "adamw-clipped", "orthograd", "gradient-noise", "adamp", "sgdp", "adafactor"}
    assert set(DESIGNS) - published == extended


def test_no_two_designs_are_the_same_function():
    w, gradients, lrs = random_course()
    ends = {}
    for name in DESIGNS:
        course = trajectory(name, w, gradients, lrs)
        ends[name] = torch.stack([torch.cat([leaf.flatten() for leaf in leaves]) for _, leaves, _, _ in course])
    for one, other in itertools.combinations(DESIGNS, 2):
        moved = (ends[one] - torch.cat([double(leaf).flatten() for leaf in w])).abs().max()
        assert (ends[one] - ends[other]).abs().max() > 0.01 * moved, (one, other)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_learning_rate_of_one_is_a_sensible_start(name):
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(256, 8, generator=generator)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).long() + 2 * (inputs[:, 2] > 0).long()
    shapes = ((24, 8), (24,), (4, 24), (4,))
    w = [torch.randn(shape, generator=generator) / math.sqrt(shape[-1]) * (len(shape) > 1) for shape in shapes]
    first = second = tuple(torch.zeros_like(leaf) for leaf in w)
    losses = []
    for t in range(1, 201):
        leaves = [leaf.detach().requires_grad_() for leaf in w]
        hidden = torch.relu(inputs @ leaves[0].T + leaves[1])
        loss = torch.nn.functional.cross_entropy(hidden @ leaves[2].T + leaves[3], labels)
        losses.append(loss.item())
        g = torch.autograd.grad(loss, leaves)
        noise = step_noise(shapes, seed=0, step=t, like=g[0])
        update, first, second = run(
            from_rows(DESIGNS[name]), w=tuple(w), g=g, v1=first, v2=second, lr=torch.tensor(1.0),
            t=torch.tensor(float(t)), noise=noise,
        )  # fmt: skip
        w = [leaf - move for leaf, move in zip(w, update, strict=True)]
    assert losses[-1] < 0.9 * losses[0]


def test_designs_stay_finite_on_zero_gradients_and_zero_weights():
    zeros = [np.zeros(shape) for shape in SHAPES]
    for name in DESIGNS:
        *_, (_, w, v1, v2) = trajectory(name, zeros, [zeros] * 3, [1.0] * 3)
        assert all(leaf.isfinite().all() for tree in (w, v1, v2) for leaf in tree), name


def test_rows_use_names_that_exist():
    for rows in DESIGNS.values():
        for target, function, *arguments in rows:
            assert target in NAMED and function in INDEX
            assert all(argument in NAMED for argument in arguments if isinstance(argument, str))
