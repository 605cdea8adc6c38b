"""The five styles of a stage (METHODS 1.1): what each is made of and how many parameters it has.

A stage is a frozen dataclass: its fields are the whole description, its class is the style. Every stage
halves the resolution and ends with ``width`` channels. Formulas count trainable elements: a convolution
without bias and the two vectors of the batch norm behind it. `zoo/builder.py` turns a stage into a network.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from perfseer.errors import PerfseerError
from perfseer.settings import check_bounds, described, load_settings, number

Style = Literal["vgg", "googlenet", "resnet", "densenet", "mobilenet"]
Shares = tuple[int, int, int, int]

WIDTH_MULTIPLE = 8  # widths come in eighths: GoogLeNet shares them out, groups divide them
DENSENET_BOTTLENECK = 4  # DenseNet-B: the 1x1 convolution makes 4 x growth rate channels


def conv_bn_parameters(in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1) -> int:
    """Trainable elements of a convolution without bias and the batch norm behind it."""
    return in_channels // groups * out_channels * kernel**2 + 2 * out_channels


@dataclass(frozen=True, kw_only=True)
class StageSpec(ABC):
    """What every stage has.

    Attributes:
        depth: number of blocks.
        width: channels of the stage's output.
    """

    style: ClassVar[Style]
    depth: int = number("blocks of the stage", ge=1, le=64)
    width: int = number("channels of the stage's output", ge=8, le=8192, multiple_of=WIDTH_MULTIPLE)

    def __post_init__(self) -> None:
        check_bounds(self)

    def n_parameters(self, in_channels: int) -> int:
        """Trainable elements of the stage, fed with ``in_channels`` channels."""
        return sum(map(self._block_parameters, self.block_inputs(in_channels)))

    @abstractmethod
    def _block_parameters(self, in_channels: int) -> int:
        """Trainable elements of a block, fed with ``in_channels`` channels."""

    def block_inputs(self, in_channels: int) -> list[int]:
        """[depth] channels that each block is fed with."""
        return [in_channels] + [self.width] * (self.depth - 1)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data, with the style under ``style``."""
        return {"style": self.style, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class VggStage(StageSpec):
    """A 2x2 max pool, then ``depth`` times convolution, batch norm, ReLU (arXiv 1409.1556).

    Attributes:
        kernel: kernel size of the convolutions, odd.
    """

    style: ClassVar[Style] = "vgg"
    kernel: int = number("kernel size, odd", ge=1, le=11)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_odd(self.kernel)

    def _block_parameters(self, in_channels: int) -> int:
        return conv_bn_parameters(in_channels, self.width, self.kernel)


@dataclass(frozen=True, kw_only=True)
class GoogLeNetStage(StageSpec):
    """A 3x3 stride-2 max pool, then ``depth`` inception blocks (arXiv 1409.4842).

    A block concatenates four branches: 1x1; 1x1 then 3x3; 1x1 then 5x5; 3x3 max pool then 1x1.

    Attributes:
        shares: eighths of the width that the four branches make, in that order.
        reduction: the 1x1 in front of the 3x3 and 5x5 makes their channels divided by this.
    """

    style: ClassVar[Style] = "googlenet"
    shares: tuple[int, int, int, int] = described("eighths of the width: 1x1, 3x3, 5x5, pool branch")
    reduction: int = number("divisor of the channels in front of 3x3 and 5x5", ge=1, le=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.shares) < 1 or sum(self.shares) != WIDTH_MULTIPLE:
            raise ValueError(f"shares is {list(self.shares)}, expected four numbers >= 1 that sum to 8")

    @property
    def branch_channels(self) -> Shares:
        """Output channels of the 1x1, 3x3, 5x5 and pool branches."""
        one, three, five, pool = (share * self.width // WIDTH_MULTIPLE for share in self.shares)
        return one, three, five, pool

    @property
    def reduced_channels(self) -> tuple[int, int]:
        """Channels between the two convolutions of the 3x3 and of the 5x5 branch."""
        _, three, five, _ = self.branch_channels
        return max(1, three // self.reduction), max(1, five // self.reduction)

    def _block_parameters(self, in_channels: int) -> int:
        one, three, five, pool = self.branch_channels
        reduced_three, reduced_five = self.reduced_channels
        pointwise = (one, reduced_three, reduced_five, pool)
        return (
            sum(conv_bn_parameters(in_channels, channels) for channels in pointwise)
            + conv_bn_parameters(reduced_three, three, 3)
            + conv_bn_parameters(reduced_five, five, 5)
        )


@dataclass(frozen=True, kw_only=True)
class ResNetStage(StageSpec):
    """``depth`` residual blocks, the first with stride 2 and a projection (arXiv 1512.03385, 1611.05431).

    Attributes:
        expansion: 1 is the basic block (3x3, 3x3); more is the bottleneck (1x1, 3x3, 1x1) whose inner
            width is ``width / expansion``: 4 in ResNet, 2 in ResNeXt-32x4d.
        groups: of the bottleneck's 3x3 convolution; more than 1 makes a ResNeXt.
    """

    style: ClassVar[Style] = "resnet"
    expansion: int = number("output width over inner width; 1 is the basic block", ge=1, le=8)
    groups: int = number("groups of the bottleneck's 3x3 convolution", ge=1, le=1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.expansion == 1 and self.groups != 1:
            raise ValueError(f"groups is {self.groups}, expected 1 in a basic block (expansion 1)")
        if self.width % (self.expansion * self.groups):
            expected = f"expansion {self.expansion} times groups {self.groups} to divide width {self.width}"
            raise ValueError(f"expected {expected}")

    @property
    def inner(self) -> int:
        """Channels of the 3x3 convolutions."""
        return self.width // self.expansion

    def n_parameters(self, in_channels: int) -> int:
        """See `StageSpec.n_parameters`."""
        return super().n_parameters(in_channels) + conv_bn_parameters(in_channels, self.width)

    def _block_parameters(self, in_channels: int) -> int:
        if self.expansion == 1:
            first = conv_bn_parameters(in_channels, self.width, 3)
            return first + conv_bn_parameters(self.width, self.width, 3)
        return (
            conv_bn_parameters(in_channels, self.inner)
            + conv_bn_parameters(self.inner, self.inner, 3, self.groups)
            + conv_bn_parameters(self.inner, self.width)
        )


@dataclass(frozen=True, kw_only=True)
class DenseNetStage(StageSpec):
    """A 2x2 average pool, ``depth`` dense layers and a 1x1 convolution to ``width`` (arXiv 1608.06993).

    A layer is batch norm, ReLU, convolution, and appends ``growth_rate`` channels to its input. Pool and 1x1
    convolution are DenseNet's transition, apart: each stage halves the resolution at its start.

    Attributes:
        growth_rate: channels that a layer adds.
        bottleneck: whether a 1x1 convolution to 4 x ``growth_rate`` channels precedes the 3x3 (DenseNet-B).
    """

    style: ClassVar[Style] = "densenet"
    growth_rate: int = number("channels that a layer adds", ge=1, le=2048)
    bottleneck: bool = described("whether a 1x1 convolution precedes the 3x3")

    def n_parameters(self, in_channels: int) -> int:
        """See `StageSpec.n_parameters`."""
        final = in_channels + self.depth * self.growth_rate
        return super().n_parameters(in_channels) + 2 * final + final * self.width

    def block_inputs(self, in_channels: int) -> list[int]:
        """[depth] channels that each layer is fed with: all that came before."""
        return [in_channels + index * self.growth_rate for index in range(self.depth)]

    def _block_parameters(self, in_channels: int) -> int:
        if not self.bottleneck:
            return 2 * in_channels + in_channels * self.growth_rate * 9
        inner = DENSENET_BOTTLENECK * self.growth_rate
        return 2 * in_channels + in_channels * inner + 2 * inner + inner * self.growth_rate * 9


@dataclass(frozen=True, kw_only=True)
class MobileNetStage(StageSpec):
    """``depth`` depth-wise separable blocks, the first with stride 2 (arXiv 1704.04861, 1801.04381).

    Attributes:
        kernel: kernel size of the depth-wise convolution, odd.
        expansion: 1 is MobileNet v1; more is the inverted residual of v2: a 1x1 convolution widens the input
            this many times, and the input is added to the output where their shapes agree.
    """

    style: ClassVar[Style] = "mobilenet"
    kernel: int = number("kernel size of the depth-wise convolution, odd", ge=1, le=11)
    expansion: int = number("widening in front of the depth-wise convolution", ge=1, le=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_odd(self.kernel)

    def _block_parameters(self, in_channels: int) -> int:
        hidden = in_channels * self.expansion
        widening = conv_bn_parameters(in_channels, hidden) if self.expansion > 1 else 0
        depthwise = conv_bn_parameters(hidden, hidden, self.kernel, groups=hidden)
        return widening + depthwise + conv_bn_parameters(hidden, self.width)


STAGES: dict[str, type[StageSpec]] = {
    cls.style: cls for cls in (VggStage, GoogLeNetStage, ResNetStage, DenseNetStage, MobileNetStage)
}


def stage_from_mapping(mapping: Any, where: str) -> StageSpec:
    """A stage from plain data.

    Raises:
        PerfseerError: an unknown style, an unknown or missing key, a wrong type or a value out of range.
    """
    if not isinstance(mapping, Mapping):
        raise PerfseerError(f"{where} is {type(mapping).__name__}, expected a mapping with a style")
    style = mapping.get("style")
    if not isinstance(style, str) or style not in STAGES:
        raise PerfseerError(f"{where}.style is {str(style)[:60]!r}, expected one of {sorted(STAGES)}")
    rest = {key: value for key, value in mapping.items() if key != "style"}
    return load_settings(STAGES[style], rest, f"{where} ({style})")


def _check_odd(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel}, expected an odd size, which padding keeps centred")
