"""Published update rules as programs.

Why: evolution starts from them, people compare with them, and each is an oracle of the tests. The rule: the learning
rate that a program sees is 1 where the recipe's is 1e-3, as in the paper, whose programs carry their scale as a
constant (`lr = lr * 0.001`); a design of ours carries the scale at which 1e-3 is a sensible start (SGD: 0.1). Weight
decay within a program comes on top of the recipe's decoupled one. No two designs are the same function.

What stands in front of SGD here (`orthograd`, `gradient-noise`) can be put in front of any other design. Departures:
- `adamp`, `sgdp`: the test for near orthogonality and the projection use each tensor as a whole; the references look at
  its rows first, leave vectors alone, and lower the weight decay where they project (see `reference_optimizers`).
- `adafactor`: rows are the first index and columns all others, so vectors are unfactored as in the reference, but small
  matrices are factored too; the state is the whole mean of squares, of which the factors are means, so the steps are
  those of the factored rule and the memory is not.
- `orthograd-global`: the projection of all parameters as one vector; `orthograd` is the published one, per tensor.

Sources: Chen et al. 2023 (Lion, its raw form and the "other programs"); Neelakantan et al. 2015 (gradient noise);
Heo et al. 2021 (AdamP, SGDP); Shazeer and Stern 2018 (Adafactor); Prieto et al. 2025 (OrthoGrad); Bernstein et al. 2018
(Signum); timm (RMSprop of TensorFlow: the mean of squares starts at 1, epsilon within the root).
"""

from collections.abc import Mapping

from search_spaces.optimizer_program.program import Rows

_SGD: Rows = (("lr", "mul", "lr", 0.1), ("update", "mul", "g", "lr"))

_ADAM_DIRECTION: Rows = (  # leaves m / (sqrt(v_hat) + eps) in update, 1 - 0.9^t in x1
    ("x0", "square", "g"), ("v1", "interp", "g", "v1", 0.9), ("v2", "interp", "x0", "v2", 0.999),
    ("x1", "power", 0.9, "t"), ("x1", "sub", 1.0, "x1"), ("x2", "power", 0.999, "t"), ("x2", "sub", 1.0, "x2"),
    ("x3", "div", "v2", "x2"), ("x3", "sqrt", "x3"), ("x3", "add", "x3", 1e-8), ("update", "div", "v1", "x3"),
)  # fmt: skip
_ADAM_SCALE: Rows = (("lr", "mul", "lr", 0.001), ("lr", "div", "lr", "x1"), ("update", "mul", "update", "lr"))

_PROJECT_SCALE_INVARIANT: Rows = (  # update -= w_hat <w_hat, update> where |cos(g, w)| < 0.1 / sqrt(entries)
    ("x4", "leaf_dot", "g", "w"), ("x4", "abs", "x4"), ("x5", "norm", "g"), ("x6", "norm", "w"),
    ("x5", "mul", "x5", "x6"), ("x4", "div", "x4", "x5"),
    ("x7", "power", "w", 0.0), ("x7", "norm", "x7"), ("x7", "div", 0.1, "x7"), ("x7", "sub", "x7", "x4"),
    ("x6", "add", "x6", 1e-8), ("x6", "square", "x6"), ("x8", "leaf_dot", "w", "update"), ("x8", "div", "x8", "x6"),
    ("x8", "select", "x7", "x8", 0.0), ("x9", "mul", "w", "x8"), ("update", "sub", "update", "x9"),
)  # fmt: skip

DESIGNS: Mapping[str, Rows] = {  # the first six are what evolution starts from
    "adamw": (
        ("x0", "square", "g"), ("v1", "interp", "g", "v1", 0.9), ("v2", "interp", "x0", "v2", 0.999),
        ("x1", "sqrt", "v2"), ("update", "div", "v1", "x1"), ("x2", "mul", "w", 0.01),
        ("update", "add", "update", "x2"), ("lr", "mul", "lr", 0.001), ("update", "mul", "update", "lr"),
    ),
    "adamw-corrected": (*_ADAM_DIRECTION, *_ADAM_SCALE),
    "lion": (
        ("update", "interp", "g", "v1", 0.9), ("update", "sign", "update"), ("v1", "interp", "g", "v1", 0.99),
        ("lr", "mul", "lr", 0.0002), ("update", "mul", "update", "lr"),
    ),
    "momentum": (
        ("v1", "mul", "v1", 0.9), ("v1", "add", "v1", "g"), ("lr", "mul", "lr", 0.1), ("update", "mul", "v1", "lr"),
    ),
    "rmsprop": (
        ("x0", "square", "g"), ("v2", "interp", "x0", "v2", 0.99), ("x1", "sqrt", "v2"), ("x1", "add", "x1", 1e-8),
        ("update", "div", "g", "x1"), ("lr", "mul", "lr", 0.001), ("update", "mul", "update", "lr"),
    ),
    "signum": (
        ("v1", "interp", "g", "v1", 0.9), ("update", "sign", "v1"), ("lr", "mul", "lr", 0.0002),
        ("update", "mul", "update", "lr"),
    ),
    "sgd": _SGD,
    "nesterov": (
        ("v1", "mul", "v1", 0.9), ("v1", "add", "v1", "g"), ("x0", "mul", "v1", 0.9), ("x0", "add", "x0", "g"),
        ("lr", "mul", "lr", 0.1), ("update", "mul", "x0", "lr"),
    ),
    "rmsprop-tf": (  # v2 is the mean of squares minus 1, as states start at zero
        ("x0", "square", "g"), ("x0", "sub", "x0", 1.0), ("v2", "interp", "x0", "v2", 0.9), ("x1", "add", "v2", 1.0),
        ("x1", "add", "x1", 1e-10), ("x1", "sqrt", "x1"), ("x1", "div", "g", "x1"), ("lr", "mul", "lr", 0.01),
        ("x1", "mul", "x1", "lr"), ("x2", "mul", "v1", 0.9), ("v1", "add", "x2", "x1"), ("update", "add", "x2", "x1"),
    ),
    "adamw-clipped": (("g", "clip", "g", 1.0), *_ADAM_DIRECTION, *_ADAM_SCALE),
    "adabelief-like": (
        ("v1", "interp", "v1", "g", 0.1), ("g", "sub", "g", "v1"), ("x0", "square", "g"),
        ("v2", "interp", "v2", "x0", 0.001), ("x1", "sqrt", "v2"), ("update", "div", "v1", "x1"),
        ("x2", "mul", "w", 0.0238), ("update", "add", "update", "x2"), ("lr", "mul", "lr", 0.03721),
        ("update", "mul", "update", "lr"),
    ),
    "better-regularisation": (
        ("v1", "interp", "v1", "g", 0.16), ("x0", "square", "g"), ("v2", "interp", "v2", "x0", 0.001),
        ("x1", "dot", "g", "w"), ("x2", "sqrt", "v2"), ("update", "div", "v1", "x2"), ("x3", "mul", "x1", "w"),
        ("update", "sin", "update"), ("update", "add", "update", "x3"), ("lr", "mul", "lr", 0.0216),
        ("update", "mul", "update", "lr"), ("v2", "sin", "v2"),
    ),
    "lion-raw": (
        ("g", "clip", "g", "lr"), ("v1", "clip", "v1", "lr"), ("x0", "sqrt", 0.6270633339881897), ("x1", "sign", "v2"),
        ("x1", "sub", "v2", "v2"), ("g", "arcsin", "g"), ("v1", "interp", "g", "v2", 0.8999999761581421),
        ("x2", "mul", "v1", "v1"), ("v2", "interp", "g", "v1", 1.109133005142212), ("x0", "tanh", "x0"),
        ("lr", "mul", "lr", 0.0002171761734643951), ("update", "mul", "v1", "lr"), ("x2", "sqrt", "x2"),
        ("update", "div", "update", "x2"), ("x3", "mul", "lr", 0.4601978361606598), ("x2", "square", "x2"),
        ("x3", "mul", "x3", "w"), ("v1", "cosh", "update"), ("lr", "tan", 1.4572199583053589),
        ("update", "add", "update", "x3"), ("lr", "cos", "x0"),
    ),
    "lion-printed": (  # the paper's reading of lion-raw, constants rounded as printed
        ("g", "clip", "g", "lr"), ("g", "arcsin", "g"), ("v1", "interp", "g", "v2", 0.899), ("x0", "mul", "v1", "v1"),
        ("v2", "interp", "g", "v1", 1.109), ("x1", "sqrt", "x0"), ("update", "div", "v1", "x1"),
        ("x2", "mul", "w", 0.4602), ("update", "add", "update", "x2"), ("lr", "mul", "lr", 0.0002),
        ("v1", "cosh", "update"), ("update", "mul", "update", "lr"),
    ),
    "orthograd": (
        ("x0", "leaf_dot", "w", "g"), ("x1", "leaf_dot", "w", "w"), ("x0", "div", "x0", "x1"), ("x2", "mul", "x0", "w"),
        ("x3", "norm", "g"), ("g", "sub", "g", "x2"), ("x4", "norm", "g"), ("x3", "div", "x3", "x4"),
        ("g", "mul", "g", "x3"), *_SGD,
    ),
    "orthograd-global": (
        ("x0", "dot", "w", "g"), ("x1", "dot", "w", "w"), ("x0", "div", "x0", "x1"), ("x2", "mul", "x0", "w"),
        ("x3", "global_norm", "g"), ("g", "sub", "g", "x2"), ("x4", "global_norm", "g"), ("x3", "div", "x3", "x4"),
        ("g", "mul", "g", "x3"), *_SGD,
    ),
    "gradient-noise": (  # variance 0.01 / t^0.55; the paper counts steps from 0 and writes 1 + t
        ("x0", "power", "t", 0.55), ("x0", "div", 0.01, "x0"), ("x0", "sqrt", "x0"), ("x1", "randn"),
        ("x1", "mul", "x1", "x0"), ("g", "add", "g", "x1"), *_SGD,
    ),
    "adamp": (*_ADAM_DIRECTION, *_PROJECT_SCALE_INVARIANT, *_ADAM_SCALE),
    "sgdp": (
        ("v1", "mul", "v1", 0.9), ("v1", "add", "v1", "g"), ("lr", "mul", "lr", 0.1), ("update", "mul", "v1", "lr"),
        *_PROJECT_SCALE_INVARIANT,
    ),
    "adafactor": (
        ("x0", "square", "g"), ("x1", "power", "t", -0.8), ("v2", "interp", "v2", "x0", "x1"),
        ("x2", "row_mean", "v2"), ("x3", "col_mean", "v2"), ("x4", "col_mean", "x2"),
        ("x2", "mul", "x2", "x3"), ("x2", "div", "x2", "x4"), ("x2", "sqrt", "x2"), ("update", "div", "g", "x2"),
        ("x5", "norm", "update"), ("x6", "power", "w", 0.0), ("x6", "norm", "x6"), ("x5", "div", "x5", "x6"),
        ("x5", "maximum", "x5", 1.0), ("update", "div", "update", "x5"), ("lr", "mul", "lr", 0.001),
        ("update", "mul", "update", "lr"),
    ),
}  # fmt: skip
