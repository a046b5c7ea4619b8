"""The network of a chain as the text of a file that needs torch and nothing else.

Why: a winner leaves the service as something people can read, keep and change. The rule: each layer of the chain is one
line; the text of the operations is that of this package's own classes, so that the file cannot drift from what was
trained, and the trained weights load into it by name. The text is only ever written to disk; nothing here executes it.
"""

import inspect
import textwrap
from collections.abc import Mapping
from types import MappingProxyType

from search_spaces.darts.hypercuboid.chain import Chain
from search_spaces.darts.hypercuboid.operations import ResizablePool, SharpSepConv
from search_spaces.darts.hypercuboid.plan import stride_of
from search_spaces.darts.operations import DepthwiseStage

_WIDTH = 110
_LEAST_SIDE = 8

_CLASSES: Mapping[str, str] = {"resizable_pool": "ResizablePool", "sharp_sep_conv": "SharpSepConv"}

_SELF_TEST = '''
def candidate(image_channels: int, classes: int) -> ChainNetwork:
    """The untrained network."""
    return ChainNetwork(image_channels, classes)


def self_test() -> None:
    """One step forward and back on random images."""
    torch.manual_seed(0)
    model = candidate(image_channels=3, classes=10)
    images = torch.randn(4, 3, SIDE, SIDE)
    scores = model(images)
    nn.functional.cross_entropy(scores, torch.arange(4)).backward()
    assert scores.shape == (4, 10) and bool(torch.isfinite(scores).all())
    assert next(model.parameters()).grad is not None
    assert model.eval()(images).shape == (4, 10)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"ok: {count:,} parameters, output mean {scores.mean().item():.4f}, std {scores.std().item():.4f}")


if __name__ == "__main__":
    self_test()
'''


def chain_source(chain: Chain, *, features: int, advice: Mapping[str, float] = MappingProxyType({})) -> str:
    """Returns the text of a Python file with `candidate(image_channels, classes)`, the untrained network.

    Args:
        chain: the path.
        features: channels behind the last convolution.
        advice: settings of the recipe that it was judged best with, for the docstring.
    """
    pooled = any(primitive == "resizable_pool" for _, primitive in chain.steps)
    parts = [DepthwiseStage, SharpSepConv, *([ResizablePool] if pooled else [])]
    side = max(_LEAST_SIDE, 1 << len(chain.steps) // 2)
    pieces = [
        f"{_docstring(chain, advice)}\nimport torch\nfrom torch import Tensor, nn",
        *(inspect.getsource(part) for part in parts),
        _network_text(chain, features=features),
        _SELF_TEST.replace("SIDE", str(side)),
    ]
    return "\n\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


def _docstring(chain: Chain, advice: Mapping[str, float]) -> str:
    least = 1 << len(chain.steps) // 2
    settings = ", ".join(f"{name} {value:g}" for name, value in advice.items())
    paragraphs = [
        "Channels of the stem, then of each step: S is a SharpSepConv, R a ResizablePool; every second step halves the "
        f"image. Images are [batch, image_channels, height, width] with at least {least} x {least} pixels.",
        *([f"Judged best with {settings}."] if settings else []),
        "Found in the search space hypercuboid (HyperCuboid of sharpDARTS, Hundt, Jain, Hager 2019, arXiv 1903.09900). "
        "Needs torch only.",
    ]
    text = "\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in paragraphs)
    line = textwrap.fill(str(chain), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f'"""A network for images, a chain of convolutions and poolings:\n\n{line}\n\n{text}\n"""\n'


def _network_text(chain: Chain, *, features: int) -> str:
    """Returns the class of the network, one line per layer."""
    widths = [chain.stem, *(channels for channels, _ in chain.steps)]
    steps = [
        f"{_CLASSES[primitive]}({widths[number]}, {channels}, stride={stride_of(number)}),"
        for number, (channels, primitive) in enumerate(chain.steps)
    ]
    lines = [
        "super().__init__()",
        f"convolution = nn.Conv2d(image_channels, {chain.stem}, 3, padding=1, bias=False)",
        f"self.stem = nn.Sequential(convolution, nn.BatchNorm2d({chain.stem}))",
        "self.steps = nn.Sequential(",
        *(f"    {step}" for step in steps),
        ")",
        f"self.last = SharpSepConv({widths[-1]}, {features})",
        f"self.head = nn.Linear({features}, classes)",
    ]
    return "\n".join(
        [
            "class ChainNetwork(nn.Module):",
            '    """Images [batch, image_channels, height, width] -> class scores [batch, classes]."""\n',
            "    def __init__(self, image_channels: int, classes: int) -> None:",
            *(f"        {line}" for line in lines),
            "\n    def forward(self, images: Tensor) -> Tensor:",
            "        scores: Tensor = self.head(self.last(self.steps(self.stem(images))).mean((2, 3)))",
            "        return scores",
        ]
    )
