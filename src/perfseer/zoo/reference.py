"""Small well-known networks, to hold captures against published figures without torchvision.

Usable as model references: ``module:perfseer.zoo.reference.resnet50``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perfseer.zoo.builder import ConvBn

# He et al. 2016 (arXiv 1512.03385), table 1, column "50-layer": width, blocks, stride of each stage
_RESNET50_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
_EXPANSION = 4

# Howard et al. 2017 (arXiv 1704.04861), table 1: output channels and stride of each separable convolution
_MOBILENET_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut; the stride is on the 3x3 ("v1.5")."""

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        n_out = width * _EXPANSION
        self.relu = nn.ReLU(inplace=True)
        self.body = nn.Sequential(
            ConvBn(n_in, width),
            ConvBn(width, width, 3, stride=stride),
            ConvBn(width, n_out, relu=False),
        )
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else ConvBn(n_in, n_out, stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, n_in, H, W] -> [N, 4 width, H / stride, W / stride]."""
        return self.relu(self.body(x) + self.shortcut(x))


def resnet50(n_classes: int = 1000) -> nn.Module:
    """ResNet-50: 25,557,032 parameters, 4.09 G multiply-accumulates at 224 x 224 (torchvision's figures)."""
    layers = [ConvBn(3, 64, 7, stride=2), nn.MaxPool2d(3, 2, 1)]
    n_in = 64
    for width, blocks, stride in _RESNET50_STAGES:
        for block in range(blocks):
            layers.append(Bottleneck(n_in, width, stride if block == 0 else 1))
            n_in = width * _EXPANSION
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, n_classes))


def mobilenet_v1(n_classes: int = 1000) -> nn.Module:
    """MobileNet v1: 4.2 M parameters, 569 M multiply-accumulates at 224 x 224 (arXiv 1704.04861, table 4)."""
    layers = [ConvBn(3, 32, 3, stride=2)]
    n_in = 32
    for n_out, stride in _MOBILENET_BLOCKS:
        layers += [ConvBn(n_in, n_in, 3, stride=stride, groups=n_in), ConvBn(n_in, n_out)]
        n_in = n_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, n_classes))


class EncoderBlock(nn.Module):
    """Pre-norm transformer encoder block (ViT, arXiv 2010.11929, equations 2 and 3).

    Args:
        width: channels of a token, D.
        heads: attention heads; divides the width.
        mlp_ratio: hidden channels of the MLP over D.
        dropout: rate after the attention's projection and in the MLP.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_ratio * width, width),
            nn.Dropout(dropout),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.dropout(self.projection(mixed.transpose(1, 2).reshape(n, length, width)))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches, encoder blocks, mean over tokens, linear head (ViT without its class token)."""

    def __init__(
        self, resolution: int, patch: int, width: int, depth: int, heads: int, n_classes: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros((resolution // patch) ** 2, width))
        self.blocks = nn.Sequential(*[EncoderBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, R, R] -> [N, n_classes]."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(dim=1))


def vit_tiny(n_classes: int = 1000, resolution: int = 224) -> nn.Module:
    """ViT-Ti/16: 12 blocks of width 192 with 3 heads (DeiT-Ti, arXiv 2012.12877: 5.7 M parameters)."""
    return VisionTransformer(resolution, patch=16, width=192, depth=12, heads=3, n_classes=n_classes)
