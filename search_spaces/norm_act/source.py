"""A norm-act layer as the text of a file that needs torch and nothing else.

Why: a winner leaves the service as something people can read, keep and change. The rule: the module has the parameter
and buffer names of `NormActLayer`, so weights load into it, and computes what that layer computes, one line per live
node of the canonical form. The text is only ever written to disk; nothing here executes it.
"""

import re
import textwrap
from collections.abc import Mapping
from types import MappingProxyType

from search_spaces.norm_act.canonical_form import simplify
from search_spaces.norm_act.formula import formula
from search_spaces.norm_act.graph import FIRST, V0, V1, ZERO, Nodes, live
from search_spaces.norm_act.layer import MOMENTUM, NormActLayer
from search_spaces.norm_act.operators import EPS, TABLE
from search_spaces.norm_act.reference import BatchMoment, batch_moments, share

_WIDTH = 110
_LONGEST = 60
_AXES = {"bwh": "(0, 2, 3)", "whc": "(1, 2, 3)", "wh": "(2, 3)"}

_ELEMENTWISE = {
    "add": "{0} + {1}",
    "mul": "{0} * {1}",
    "div": "divide({0}, {1})",
    "max": "torch.maximum({0}, {1})",
    "neg": "-{0}",
    "sigmoid": "torch.sigmoid({0})",
    "tanh": "torch.tanh({0})",
    "exp": "torch.exp({0})",
    "log": "signed_log({0})",
    "abs": "torch.abs({0})",
    "square": "{0} * {0}",
    "sqrt": "signed_sqrt({0})",
}

_HELPERS: Mapping[str, str] = {
    "divide": '''
def divide(x: Tensor, y: Tensor) -> Tensor:
    """x / y, with y kept at least EPS away from zero."""
    size = y.abs().clamp(min=EPS)
    return x / torch.where(y < 0, -size, size)
''',
    "signed_log": '''
def signed_log(x: Tensor) -> Tensor:
    """sign(x) ln(max(|x|, EPS)); 0 at 0."""
    return x.sign() * x.abs().clamp(min=EPS).log()
''',
    "signed_sqrt": '''
def signed_sqrt(x: Tensor) -> Tensor:
    """sign(x) sqrt(max(|x|, EPS)); 0 at 0."""
    return x.sign() * x.abs().clamp(min=EPS).sqrt()
''',
    "variance": '''
def variance(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Biased variance over axes, which stay with size 1."""
    return (x - x.mean(axes, keepdim=True)).square().mean(axes, keepdim=True)
''',
    "group_mean": '''
def group_mean(x: Tensor) -> Tensor:
    """Mean over the positions and the channels of each group, [batch, channels, 1, 1]."""
    batch, channels = x.shape[:2]
    groups = next(n for n in range(min(GROUPS, channels), 0, -1) if channels % n == 0)
    means = x.reshape(batch, groups, -1).mean(2)
    return means.repeat_interleave(channels // groups, 1).reshape(batch, channels, 1, 1)
''',
    "group_variance": '''
def group_variance(x: Tensor) -> Tensor:
    """Biased variance over the positions and the channels of each group, [batch, channels, 1, 1]."""
    return group_mean((x - group_mean(x)).square())
''',
}

_TRACK = '''
    def _track(self, running: Tensor, batch: Tensor) -> Tensor:
        """Training: the statistic of this batch, remembered on the way. Evaluation: the remembered one."""
        if not self.training:
            return running.view(1, -1, 1, 1)
        with torch.no_grad():
            running.lerp_(batch.flatten().to(running.dtype), MOMENTUM)
        return batch
'''

_SELF_TEST = '''
def self_test() -> None:
    """One step forward and back on random numbers."""
    torch.manual_seed(0)
    layer = NormAct(16)
    x = torch.randn(8, 16, 6, 6, requires_grad=True)
    y = layer(x)
    y.square().mean().backward()
    assert y.shape == x.shape and bool(torch.isfinite(y).all()) and x.grad is not None
    assert layer.eval()(x).shape == x.shape
    print(f"ok: output mean {y.mean().item():.4f}, std {y.std().item():.4f}")


if __name__ == "__main__":
    self_test()
'''


def layer_source(nodes: Nodes, *, groups: int, advice: Mapping[str, float] = MappingProxyType({})) -> str:
    """Returns the text of a Python file with the module `NormAct(channels)`.

    Args:
        nodes: the graph, dead nodes allowed.
        groups: channel groups of the `whcg` moments, lowered where it does not divide the channels.
        advice: settings of the recipe that the layer was judged best with, for the docstring.
    """
    short = share(simplify(nodes))
    moments = batch_moments(short)
    body = _class(short, moments)
    helpers: list[str] = []
    for name, text in reversed(list(_HELPERS.items())):
        if re.search(rf"(?<![\w.]){name}\(", "".join([body, *helpers])):
            helpers.insert(0, text)
    constants = [f"EPS = {EPS}"]
    constants += [f"GROUPS = {groups}"] if "group_" in body else []
    constants += [f"MOMENTUM = {MOMENTUM}"] if moments else []
    head = f"{_docstring(short, advice)}\nimport torch\nfrom torch import Tensor, nn\n\n" + "\n".join(constants)
    return "\n\n\n".join([head, *(text.strip("\n") for text in helpers), body, _SELF_TEST.strip("\n")]) + "\n"


def _docstring(nodes: Nodes, advice: Mapping[str, float]) -> str:
    aggregates = any(TABLE[operator].moment for operator, *_ in nodes)
    axes = (
        "mean_I, rms_I and std_I are the mean, the root mean square and the standard deviation over I: b the batch, c "
        "the channels (cg: those of one group), w and h the positions. Second moments get + EPS under the root. "
    )
    settings = ", ".join(f"{name} {value:g}" for name, value in advice.items())
    paragraphs = [
        "The input x is [batch, channels, height, width]; gamma, beta, v0 and v1 are learned per channel and start at "
        "1, 0, 0 and 1. Division, log and sqrt treat magnitudes below EPS as EPS. " + (axes if aggregates else ""),
        "Put it where a network has a normalization followed by an activation. Moments over the batch, if there are "
        "any, are running ones in evaluation.",
        *([f"Judged best with {settings}."] if settings else []),
        "Found in the search space norm-act (primitive operators of EvoNorm, Liu et al. 2020, arXiv 2004.02967). Needs "
        "torch only.",
    ]
    text = "\n\n".join(textwrap.fill(paragraph.strip(), _WIDTH) for paragraph in paragraphs)
    pieces = formula(nodes).split("; ")
    lines = "\n".join([*(f"    {piece}" for piece in pieces[:-1]), f"    y = gamma*({pieces[-1]}) + beta"])
    return f'"""A normalization-activation layer:\n\n{lines}\n\n{text}\n"""\n'


def _class(nodes: Nodes, moments: tuple[BatchMoment, ...]) -> str:
    """Returns the text of the module."""
    alive = live(nodes)
    buffers = dict(NormActLayer(nodes, channels=1).named_buffers())
    names = {moment.value: name for moment, name in zip(moments, buffers, strict=True)}
    starts = {"v0": "zeros", "v1": "ones"}
    read = [name for name, given in (("v0", V0), ("v1", V1)) if alive[given]]
    made = [f"self.{name} = nn.Parameter(torch.{starts[name]}(channels))" for name in read]
    made += ["self.gamma = nn.Parameter(torch.ones(channels))", "self.beta = nn.Parameter(torch.zeros(channels))"]
    for moment, (name, start) in zip(moments, buffers.items(), strict=True):
        size = "channels" if moment.per_channel else "1"
        made.append(f'self.register_buffer("{name}", torch.full(({size},), {float(start):.1f}))')
    lines = [f"{name} = self.{name}.view(1, -1, 1, 1)" for name in read]
    computed = [line for index in range(FIRST, len(alive)) for line in _statements(nodes, index, names=names)]
    lines += ["zero = x.new_zeros(1, 1, 1, 1)"] if any("zero" in line for line in computed) else []
    lines += computed
    lines.append("y = self.gamma.view(1, -1, 1, 1) * " + _name(len(alive) - 1) + " + self.beta.view(1, -1, 1, 1)")
    lines.append("return y.expand_as(x)")
    return "\n".join(
        [
            "class NormAct(nn.Module):",
            f'    """gamma*z + beta on [batch, channels, height, width]; z = {_short_formula(nodes)}."""\n',
            "    def __init__(self, channels: int) -> None:",
            *(" " * 8 + line for line in ("super().__init__()", *made)),
            "\n    def forward(self, x: Tensor) -> Tensor:",
            *(" " * 8 + line for line in lines),
            *([_TRACK.rstrip("\n")] if moments else []),
        ]
    )


def _statements(nodes: Nodes, index: int, *, names: Mapping[int, str]) -> list[str]:
    """Returns the lines that compute one value."""
    operator, *arguments = nodes[index - FIRST]
    target, read = _name(index), [_name(argument) for argument in arguments]
    entry = TABLE[operator]
    if entry.index_set is None:
        if operator == "max" and ZERO in arguments:
            return [f"{target} = torch.relu({read[arguments.index(ZERO) - 1]})"]
        if operator == "div" and _is_large(nodes, arguments[1]):
            return [f"{target} = {read[0]} / {read[1]}"]
        return [f"{target} = {_ELEMENTWISE[operator].format(*read)}"]
    raw = _statistic(read[0], moment=entry.moment or "mean", index_set=entry.index_set)
    if index in names:
        raw = f"self._track(self.{names[index]}, {raw})"
    return [f"{target} = {raw}" if entry.moment == "mean" else f"{target} = torch.sqrt({raw} + EPS)"]


def _is_large(nodes: Nodes, index: int) -> bool:
    """Returns whether a value is at least sqrt(EPS) everywhere, so that dividing by it needs no guard."""
    operator, *arguments = nodes[index - FIRST] if index >= FIRST else ("",)
    return operator[:4] in ("rms_", "std_") or (operator == "max" and any(_is_large(nodes, a) for a in arguments))


def _statistic(value: str, *, moment: str, index_set: str) -> str:
    """Returns the expression of a mean, a mean square or a variance."""
    if index_set == "whcg":
        wanted = {"mean": "group_mean({0})", "rms": "group_mean({0}.square())", "std": "group_variance({0})"}
        return wanted[moment].format(value)
    if moment == "std":
        return f"variance({value}, {_AXES[index_set]})"
    return f"{value}{'.square()' if moment == 'rms' else ''}.mean({_AXES[index_set]}, keepdim=True)"


def _name(index: int) -> str:
    return ("x", "zero", "v0", "v1")[index] if index < FIRST else f"t{index - FIRST + 1}"


def _short_formula(nodes: Nodes) -> str:
    text = formula(nodes)
    return text if len(text) <= _LONGEST and ";" not in text else "see the top of the file"
