"""The axes of the HyperCuboid: which channels, how many steps, how wide the end.

Why: the grid supernet, the decoders, the chain of single operations and both search spaces speak of the same lattice.
Paper: Hundt, Jain, Hager 2019, "sharpDARTS" (arXiv 1903.09900), HyperCuboid with its Differentiable Hyperparameter Grid
Search. The rule: step t (from 0) has stride 1 where t is even and 2 where it is odd; every step goes from any of the
widths to any of them, by any primitive.
"""

from dataclasses import dataclass

from automl.contracts.recipe import Signature
from automl.errors import InvalidSetting

PRIMITIVES = ("resizable_pool", "sharp_sep_conv")
"""Operations of a step, in the order of the last axis of the grid's weights."""

MOST_STEPS = 32
MOST_WIDTHS = 8
MOST_CHANNELS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """Sizes of a HyperCuboid; the defaults are those of the paper.

    Attributes:
        channels: C0, in [1, 4096]; the narrowest width is the largest power of two that is not above it.
        widths: S, how many widths there are, each twice the one before, in [1, 8].
        layers: L, steps of a path, even, in [2, 32]; half of them halve the image.
        features: channels behind the last convolution, in [1, 4096]; rule of thumb 24 times the narrowest width.
    """

    channels: int = 32
    widths: int = 4
    layers: int = 8
    features: int = 768

    def __post_init__(self) -> None:
        for name, value, most in (
            ("channels", self.channels, MOST_CHANNELS),
            ("widths", self.widths, MOST_WIDTHS),
            ("layers", self.layers, MOST_STEPS),
            ("features", self.features, MOST_CHANNELS),
        ):
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidSetting(f"hypercuboid.{name}", value, f"an int in [1, {most}]")
        if self.layers % 2:
            raise InvalidSetting("hypercuboid.layers", self.layers, "an even int: strides 1 and 2 alternate")
        if self.sizes[-1] > MOST_CHANNELS:
            allowed = f"fewer: the widest would have {self.sizes[-1]} channels, at most {MOST_CHANNELS} are allowed"
            raise InvalidSetting("hypercuboid.widths", self.widths, allowed)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Channels of each width, narrowest first; C0 = 36 with four widths gives 32, 64, 128, 256."""
        narrowest = self.channels.bit_length() - 1
        return tuple(1 << (narrowest + step) for step in range(self.widths))

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the grid's weights: [stride 1 or 2, layer, width before, width behind, primitive]."""
        return 2, self.layers // 2, self.widths, self.widths, len(PRIMITIVES)


def stride_of(step: int) -> int:
    """Returns the stride of a step, counted from 0: 1, 2, 1, 2, ..."""
    return 1 + step % 2


def check_images(signature: Signature, *, steps: int) -> None:
    """Refuses a task whose inputs are no images, or are smaller than the reductions of a path need.

    Raises:
        InvalidSetting: with the number of steps that would fit.
    """
    if len(signature.inputs) != 3 or len(signature.outputs) != 1:
        raise InvalidSetting("signature", signature, "inputs (channels, height, width) and outputs (classes,)")
    side, fits = min(signature.inputs[1:]), 2 * (min(signature.inputs[1:]).bit_length() - 1)
    if side < 1 << steps // 2:
        allowed = f"an even int <= {fits} for images of {signature.inputs[1]} x {signature.inputs[2]}"
        raise InvalidSetting("hypercuboid.layers", steps, f"{allowed}, since every second step halves them")
