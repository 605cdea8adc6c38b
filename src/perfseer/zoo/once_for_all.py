"""Networks of the Once-for-all space over MobileNetV3, each named by a text that says all of its blocks.

Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment (ICLR 2020,
https://arxiv.org/abs/1908.09791). Widths, strides and operators are those of a network that the authors' code
(https://github.com/mit-han-lab/once-for-all) extracts, written anew. Operators are spelt out as there, since
each is a kernel to launch: h-swish is x * relu6(x + 3) / 6 in four of them, a global pooling two means.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perfseer.errors import PerfseerError, require

KERNELS, EXPANSIONS, DEPTHS, WIDTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4), (1.0, 1.2)
# A configuration lists kernels and expansions of the greatest depth; a stage runs the first of its own.
N_STAGES, MOST_BLOCKS = 5, max(DEPTHS)
N_CLASSES = 1000
_STEM, _FIRST = 16, 16
_FINAL, _FEATURES = 960, 1280
_REDUCTION, _DIVISOR = 4, 8
_STAGE = re.compile("(?:[357][346]){2,4}")


@dataclass(frozen=True)
class _Stage:
    """What all blocks of a stage share; the first one has its stride."""

    width: int
    stride: int
    h_swish: bool
    squeeze: bool


_STAGES = (
    _Stage(24, 2, h_swish=False, squeeze=False),
    _Stage(40, 2, h_swish=False, squeeze=True),
    _Stage(80, 2, h_swish=True, squeeze=False),
    _Stage(112, 1, h_swish=True, squeeze=True),
    _Stage(160, 2, h_swish=True, squeeze=True),
)


@dataclass(frozen=True)
class OnceForAll:
    """One network.

    Attributes:
        stages: kernel size and expansion of every block that runs, by stage.
        width: factor of all channels, one of `WIDTHS`.
    """

    stages: tuple[tuple[tuple[int, int], ...], ...]
    width: float = 1.2

    def __post_init__(self) -> None:
        blocks = [block for stage in self.stages for block in stage]
        fine = len(self.stages) == N_STAGES and all(len(stage) in DEPTHS for stage in self.stages)
        fine &= all(kernel in KERNELS and expansion in EXPANSIONS for kernel, expansion in blocks)
        require(
            fine and self.width in WIDTHS,
            f"no network of the Once-for-all space: {self.stages} at width {self.width}; expected {N_STAGES} "
            f"stages of {DEPTHS} blocks, kernels of {KERNELS}, expansions of {EXPANSIONS}, widths {WIDTHS}",
        )

    @classmethod
    def of(
        cls, kernels: Sequence[int], expansions: Sequence[int], depths: Sequence[int], width: float = 1.2
    ) -> Self:
        """From a configuration as the space's authors write it; what its depths leave out plays no part.

        Args:
            kernels: [20] kernel size of every block, four for each stage.
            expansions: [20] likewise.
            depths: [5] how many blocks of each stage run.
            width: one of `WIDTHS`.

        Raises:
            PerfseerError: it is no such configuration.
        """
        n_blocks = N_STAGES * MOST_BLOCKS
        require(
            len(kernels) == len(expansions) == n_blocks and len(depths) == N_STAGES,
            f"a configuration has {n_blocks} kernels, {n_blocks} expansions and {N_STAGES} depths, given "
            f"{len(kernels)}, {len(expansions)} and {len(depths)}",
        )
        blocks = list(zip(kernels, expansions, strict=True))
        starts = range(0, n_blocks, MOST_BLOCKS)
        return cls(
            tuple(tuple(blocks[at : at + depth]) for at, depth in zip(starts, depths, strict=True)), width
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text, for example ``w1.2-7654-5754-5656-3334-533436``.

        Raises:
            PerfseerError: it has another form.
        """
        width, *stages = text.split("-")
        if width not in {f"w{one}" for one in WIDTHS} or not all(map(_STAGE.fullmatch, stages)):
            raise PerfseerError(
                f"{text!r} is no network of the Once-for-all space; expected a width (w1.0 or w1.2) and "
                f"{N_STAGES} stages of 2 to 4 blocks, each its kernel (3, 5, 7) and expansion (3, 4, 6), as "
                "in w1.2-7654-5754-5656-3334-533436"
            )
        pairs = ([stage[at : at + 2] for at in range(0, len(stage), 2)] for stage in stages)
        return cls(
            tuple(tuple((int(pair[0]), int(pair[1])) for pair in blocks) for blocks in pairs),
            float(width[1:]),
        )

    def __str__(self) -> str:
        stages = ("".join(f"{kernel}{expansion}" for kernel, expansion in stage) for stage in self.stages)
        return "-".join([f"w{self.width}", *stages])

    def build(self) -> nn.Module:
        """The network on the current default device, for images of any size; 1,000 classes."""
        return _Network(self)


def once_for_all(text: str, input_shape: Sequence[int] | None = None) -> nn.Module:
    """The network that a text names (`OnceForAll.parse`); it takes any image, so the shape plays no part.

    Raises:
        PerfseerError: the text has another form.
    """
    del input_shape
    return OnceForAll.parse(text).build()


class _HSwish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """[...] to [...]."""
        return x * F.relu6(x + 3.0, inplace=True) / 6.0


class _Squeeze(nn.Module):
    """Weights of channels from their means, by two products and a hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = _divisible(channels // _REDUCTION)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(middle, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, C, H, W]."""
        weights = self.expand(self.relu(self.reduce(_pooled(x))))
        return x * (F.relu6(weights + 3.0, inplace=True) / 6.0)


class _Block(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where its shape stays."""

    def __init__(self, channels: int, stage: _Stage, width: int, stride: int, block: tuple[int, int]) -> None:
        super().__init__()
        kernel, expansion = block
        middle = _divisible(channels * expansion)
        parts: list[nn.Module] = []
        if expansion > 1:
            parts += [*_convolution(channels, middle, 1), _activation(stage)]
        depthwise = _convolution(middle, middle, kernel, stride, groups=middle)
        squeeze = [_Squeeze(middle)] if stage.squeeze else []
        projection = _convolution(middle, width, 1)
        self.body = nn.Sequential(*parts, *depthwise, _activation(stage), *squeeze, *projection)
        self.adds = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, H / stride, W / stride]."""
        result: Tensor = self.body(x)
        return result + x if self.adds else result


class _Network(nn.Module):
    def __init__(self, network: OnceForAll) -> None:
        super().__init__()
        stem, first, final, features = (
            _divisible(width * network.width) for width in (_STEM, _FIRST, _FINAL, _FEATURES)
        )
        plain = _Stage(first, 1, h_swish=False, squeeze=False)
        parts = [*_convolution(3, stem, 3, 2), _HSwish(), _Block(stem, plain, first, 1, (3, 1))]
        channels = first
        for stage, blocks in zip(_STAGES, network.stages, strict=True):
            width = _divisible(stage.width * network.width)
            for number, block in enumerate(blocks):
                parts.append(_Block(channels, stage, width, 1 if number else stage.stride, block))
                channels = width
        self.body = nn.Sequential(*parts, *_convolution(channels, final, 1), _HSwish())
        self.mix = nn.Sequential(nn.Conv2d(final, features, 1, bias=False), _HSwish())
        self.classifier = nn.Linear(features, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 1000]."""
        mixed: Tensor = self.mix(_pooled(self.body(x)))
        logits: Tensor = self.classifier(torch.flatten(mixed, 1))
        return logits


def _convolution(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """A convolution that keeps the size at stride 1, and its normalisation."""
    convolution = nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(width)


def _activation(stage: _Stage) -> nn.Module:
    return _HSwish() if stage.h_swish else nn.ReLU(inplace=True)


def _pooled(x: Tensor) -> Tensor:
    """[N, C, H, W] to [N, C, 1, 1], one dimension after the other."""
    return x.mean(3, keepdim=True).mean(2, keepdim=True)


def _divisible(channels: float) -> int:
    """The multiple of 8 nearest to a number of channels, at least 8 and not below nine tenths of it."""
    nearest = max(_DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return nearest + _DIVISOR if nearest < 0.9 * channels else nearest
