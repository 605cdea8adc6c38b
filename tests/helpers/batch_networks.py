"""Networks whose graphs change with the batch size in different ways; images of 32 x 32 pixels."""

import torch
from torch import nn

from perfseer.zoo.reference import Bottleneck, EncoderBlock


def convolutions() -> nn.Module:
    """A small ResNet."""
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2), Bottleneck(16, 16, 2), Bottleneck(64, 16, 1), *head)


class Tokens(nn.Module):
    """Tokens first, as in `nn.MultiheadAttention`: for one sample the copy is a view."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, 8)
        self.block = nn.Sequential(EncoderBlock(16, 2), nn.Linear(16, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(x.transpose(0, 1).contiguous().mean(dim=0))


class Windows(nn.Module):
    """Attention in windows: the batch is folded into another dimension, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        windows = x.view(n, 2, h // 2, 2, w // 2, c).permute(0, 1, 3, 2, 4, 5).reshape(4 * n, -1, c)
        mixed = torch.softmax(windows @ windows.transpose(1, 2), dim=-1) @ self.mix(windows)
        return self.head(mixed.reshape(n, -1, c).mean(dim=1))
