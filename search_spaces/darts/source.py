"""A network of cells as the text of a file that needs torch and nothing else.

Why: a winner leaves the service as something people can read, keep and change. The rule: the text of the modules is
that of this package's own classes, less what the network does not use, so that the file cannot drift from what was
trained, and the trained weights load into it by name. The text is only ever written to disk; nothing here executes it.
"""

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from search_spaces.darts import blocks, network, operations
from search_spaces.darts.cell import Cell, format_cell
from search_spaces.darts.network import NetworkPlan
from search_spaces.darts.operations import OperationStyle, middle_channels

_WIDTH = 110
_IMAGE_SIDE = 8
_PARTS = (
    operations.Zero,
    operations.FactorizedReduce,
    operations.DepthwiseStage,
    operations.SepConv,
    operations.DilConv,
    operations.Conv7x1And1x7,
    blocks.ReluConvNorm,
    blocks.SmallStem,
    blocks.LargeStem,
    blocks.AuxiliaryHead,
    blocks.CellBlock,
)
"""In an order in which each stands behind what it uses."""

_RECORDS = '''
class Edge(NamedTuple):
    """One operation on an earlier state; 0 and 1 are the outputs of the two cells before."""

    operation: str
    source: int


class Cell(NamedTuple):
    """Nodes that add up their edges; the states in `concat` are the output. The first node is state 2."""

    nodes: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]
'''

_SELF_TEST = '''
def self_test() -> None:
    """One step forward and back on random images."""
    torch.manual_seed(0)
    model = candidate(image_channels=3, classes=10)
    images = torch.randn(4, 3, SIDE, SIDE)
    scores = model(images)SCORES
    torch.nn.functional.cross_entropy(scores, torch.arange(4)).backward()
    assert scores.shape == (4, 10) and bool(torch.isfinite(scores).all())
    assert next(model.parameters()).grad is not None
    assert model.eval()(images).shape == (4, 10)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"ok: {count:,} parameters, output mean {scores.mean().item():.4f}, std {scores.std().item():.4f}")


if __name__ == "__main__":
    self_test()
'''


def network_source(plan: NetworkPlan, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
    """Returns the text of a Python file with `candidate(image_channels, classes)`, the untrained network.

    Args:
        plan: of the network.
        advice: settings of the recipe that it was judged best with, for the docstring.
    """
    names = sorted({edge.operation for cell in (plan.normal, plan.reduce) for edges in cell.nodes for edge in edges})
    plan_text, main = _plan_text(names, plan), _main_text(plan)
    parts: list[str] = []
    for part in reversed(_PARTS):
        if re.search(rf"(?<!class )\b{part.__name__}\b(?=\(| if )", "".join([plan_text, main, *parts])):
            parts.insert(0, _clean(inspect.getsource(part)))
    functional = "from torch.nn import functional\n" if "functional." in "".join(parts) else ""
    head = f"{_docstring(plan, advice)}\nfrom typing import NamedTuple\n\nimport torch\nfrom torch import Tensor, nn\n"
    pieces = [head + functional, _RECORDS, plan_text, *parts, main, _candidate_text(plan), _self_test(plan)]
    return "\n\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


def operation_text(name: str, *, style: OperationStyle) -> str:
    """Returns the expression that builds an operation from `channels` and `stride`, as `build_operation` does."""
    kind, _, kernel = name.rpartition("_")
    match kind:
        case "max_pool":
            return "nn.MaxPool2d(3, stride=stride, padding=1)"
        case "avg_pool":
            return "nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)"
        case "skip":
            return "FactorizedReduce(channels, channels) if stride == 2 else nn.Identity()"
        case "conv_7x1":
            return "Conv7x1And1x7(channels, stride=stride)"
        case "dil_conv" if style.dilated == "once":
            return f"DilConv(channels, {kernel[0]}, stride=stride)"
    if name == "none":
        return "Zero(stride)"
    middle = str(style.choke) if "choke" in kind else "channels"
    middle = f"{middle_channels(kind, 1, choke=style.choke)} * channels" if "flood" in kind else middle
    dilation = ", dilation=2" if kind.startswith("dil_") else ""
    return f"SepConv(channels, {kernel[0]}, stride=stride, middle={middle}{dilation})"


def _plan_text(names: Sequence[str], plan: NetworkPlan) -> str:
    """Returns the class that knows the cells and builds the operations that they use."""
    cases = [
        f'            case "{name}":\n                return {operation_text(name, style=plan.style)}' for name in names
    ]
    return "\n".join(
        [
            "class NetworkPlan(NamedTuple):",
            '    """What the network is built from."""\n',
            "    normal: Cell",
            "    reduce: Cell",
            "    depth: int",
            "    channels: int",
            "\n    def operation(self, name: str, channels: int, *, stride: int) -> nn.Module:",
            '        """Returns a new operation."""',
            "        match name:",
            *cases,
            "        raise ValueError(name)",
        ]
    )


def _main_text(plan: NetworkPlan) -> str:
    """Returns the text of the network's class, with the stem of the plan."""
    classes = [network.Network, *([network.AuxiliaryNetwork] if plan.auxiliary else [])]
    text = "\n\n".join(_clean(inspect.getsource(part)) for part in classes)
    large = plan.stem == "large"
    changes = [
        ('(LargeStem if plan.stem == "large" else SmallStem)', "LargeStem" if large else "SmallStem"),
        ('plan.stem == "large"', str(large)),
        *(() if plan.auxiliary else [("Tensor | tuple[Tensor, Tensor]:", "Tensor:")]),
    ]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def _candidate_text(plan: NetworkPlan) -> str:
    network_class = "AuxiliaryNetwork" if plan.auxiliary else "Network"
    return "\n".join(
        [
            f"NORMAL = {_cell_text(plan.normal)}",
            f"REDUCE = {_cell_text(plan.reduce)}",
            f"PLAN = NetworkPlan(normal=NORMAL, reduce=REDUCE, depth={plan.depth}, channels={plan.channels})",
            "\n\ndef candidate(image_channels: int = 3, classes: int = 10) -> Network:",
            '    """Returns the network, untrained."""',
            f"    return {network_class}(PLAN, image_channels, classes)",
        ]
    )


def _cell_text(cell: Cell) -> str:
    lines = ["Cell(", "    nodes=("]
    for edges in cell.nodes:
        inner = ", ".join(f'Edge("{edge.operation}", {edge.source})' for edge in edges)
        lines.append(f"        ({inner}{',' if len(edges) == 1 else ''}),")
    concat = ", ".join(map(str, cell.concat)) + ("," if len(cell.concat) == 1 else "")
    return "\n".join([*lines, "    ),", f"    concat=({concat}),", ")"])


def _self_test(plan: NetworkPlan) -> str:
    side = max(_IMAGE_SIDE, 2 ** (plan.halvings + 1))
    return _SELF_TEST.replace("SIDE", str(side)).replace("SCORES", "[0]" if plan.auxiliary else "")


def _clean(text: str) -> str:
    """Returns source text without the notes for the type checker."""
    return re.sub(r"  # type: ignore\[[a-z-]+\]", "", text)


def _docstring(plan: NetworkPlan, advice: Mapping[str, float]) -> str:
    settings = ", ".join(f"{name} {value:g}" for name, value in advice.items())
    paragraphs = [
        f"{plan.depth} cells, {plan.channels} channels per node in the first ones; the cells at a third and at two "
        "thirds halve the size and double the channels. An edge reads s,n: the operation s on state n, where states 0 "
        "and 1 are the outputs of the two cells before, and 2 is the first node.",
        *([f"Judged best with {settings}."] if settings else []),
        "Found in the search space darts (cells of DARTS, Liu et al. 2019, arXiv 1806.09055, and sharpDARTS, Hundt et "
        "al. 2019, arXiv 1903.09900). Needs torch only.",
    ]
    text = "\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in paragraphs)
    cells = f"    normal  {format_cell(plan.normal)}\n    reduce  {format_cell(plan.reduce)}"
    return f'"""An image classifier made of two kinds of cells:\n\n{cells}\n\n{text}\n"""\n'
