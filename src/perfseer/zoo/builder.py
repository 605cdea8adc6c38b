"""From a description to a network: one small class for each kind of block (METHODS 1.1).

The networks use nothing but Conv2d, BatchNorm2d, ReLU, MaxPool2d, AvgPool2d, global average pool,
concatenation, addition, Flatten and Linear. They are built on whatever device is current, so
``with torch.device("meta")`` allocates nothing.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from perfseer.zoo.space import ArchitectureSpec
from perfseer.zoo.stages import (
    DENSENET_BOTTLENECK,
    DenseNetStage,
    GoogLeNetStage,
    MobileNetStage,
    ResNetStage,
    StageSpec,
    VggStage,
)


class ConvBn(nn.Sequential):
    """Convolution without bias, batch norm and, if ``relu``, ReLU; padded to keep the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels),
        )
        if relu:
            self.append(nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four branches side by side, concatenated (GoogLeNet, arXiv 1409.4842, figure 2b)."""

    def __init__(self, in_channels: int, stage: GoogLeNetStage) -> None:
        super().__init__()
        one, three, five, pool = stage.branch_channels
        reduced_three, reduced_five = stage.reduced_channels
        self.branches = nn.ModuleList(
            [
                ConvBn(in_channels, one),
                nn.Sequential(ConvBn(in_channels, reduced_three), ConvBn(reduced_three, three, 3)),
                nn.Sequential(ConvBn(in_channels, reduced_five), ConvBn(reduced_five, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvBn(in_channels, pool)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, width, H, W]."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """Basic block or bottleneck with groups, around a shortcut (arXiv 1512.03385, 1611.05431)."""

    def __init__(self, in_channels: int, stage: ResNetStage, *, first: bool) -> None:
        super().__init__()
        width, inner, stride = stage.width, stage.inner, 2 if first else 1
        if stage.expansion == 1:
            layers = [
                ConvBn(in_channels, width, 3, stride=stride),
                ConvBn(width, width, 3, relu=False),
            ]
        else:
            layers = [
                ConvBn(in_channels, inner),
                ConvBn(inner, inner, 3, stride=stride, groups=stage.groups),
                ConvBn(inner, width, relu=False),
            ]
        self.body = nn.Sequential(*layers)
        self.shortcut = ConvBn(in_channels, width, stride=2, relu=False) if first else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, width, H', W'], halved in the first block of a stage."""
        return self.relu(self.body(x) + self.shortcut(x))


class DenseLayer(nn.Module):
    """Batch norm, ReLU, convolution; the result is appended to the input (arXiv 1608.06993)."""

    def __init__(self, in_channels: int, stage: DenseNetStage) -> None:
        super().__init__()
        growth_rate, inner = stage.growth_rate, DENSENET_BOTTLENECK * stage.growth_rate
        body = [nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True)]
        if stage.bottleneck:
            body.append(ConvBn(in_channels, inner))
        channels = inner if stage.bottleneck else in_channels
        body.append(nn.Conv2d(channels, growth_rate, 3, padding=1, bias=False))
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, C + growth_rate, H, W]."""
        return torch.cat([x, self.body(x)], dim=1)


class Separable(nn.Module):
    """Depth-wise separable block, of MobileNet v1 (arXiv 1704.04861) or inverted residual (1801.04381)."""

    def __init__(self, in_channels: int, stage: MobileNetStage, *, first: bool) -> None:
        super().__init__()
        hidden, inverted = in_channels * stage.expansion, stage.expansion > 1
        layers = [ConvBn(in_channels, hidden)] if inverted else []
        layers.append(ConvBn(hidden, hidden, stage.kernel, stride=2 if first else 1, groups=hidden))
        layers.append(ConvBn(hidden, stage.width, relu=not inverted))
        self.body = nn.Sequential(*layers)
        self.adds_input = inverted and not first

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, width, H', W'], halved in the first block of a stage."""
        return x + self.body(x) if self.adds_input else self.body(x)


def build_stage(in_channels: int, stage: StageSpec) -> nn.Sequential:
    """One stage: [N, in_channels, H, W] to [N, stage.width, about H / 2, about W / 2]."""
    inputs, layers = stage.block_inputs(in_channels), list[nn.Module]()
    match stage:
        case VggStage():
            layers += [nn.MaxPool2d(2), *(ConvBn(channels, stage.width, stage.kernel) for channels in inputs)]
        case GoogLeNetStage():
            pool = nn.MaxPool2d(3, stride=2, padding=1)
            layers += [pool, *(Inception(channels, stage) for channels in inputs)]
        case ResNetStage():
            layers += [Residual(channels, stage, first=i == 0) for i, channels in enumerate(inputs)]
        case DenseNetStage():
            final = in_channels + stage.depth * stage.growth_rate
            layers += [nn.AvgPool2d(2), *(DenseLayer(channels, stage) for channels in inputs)]
            layers += [nn.BatchNorm2d(final), nn.ReLU(inplace=True)]
            layers.append(nn.Conv2d(final, stage.width, 1, bias=False))
        case MobileNetStage():
            layers += [Separable(channels, stage, first=i == 0) for i, channels in enumerate(inputs)]
    return nn.Sequential(*layers)


def build(spec: ArchitectureSpec) -> nn.Module:
    """The network: [N, in_channels, R, R] to [N, n_classes], R at least `space.MIN_RESOLUTION`."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = ConvBn(spec.in_channels, spec.stem_channels, 3, stride=2)
    for index, (stage, channels) in enumerate(zip(spec.stages, spec.input_channels, strict=True), start=1):
        layers[f"stage{index}"] = build_stage(channels, stage)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(spec.output_channels[-1], spec.n_classes)
    return nn.Sequential(layers)
