"""From a kernel's description to a module and its inputs: the same layers the networks are built of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from perfseer.errors import PerfseerError
from perfseer.graphs.kernels import CONVOLUTIONS

Configuration = Mapping[str, int]
Shape = tuple[int, ...]


class Concat(nn.Module):
    """Joins channels."""

    def forward(self, *parts: Tensor) -> Tensor:
        """[N, C_i, H, W] each to [N, sum of C_i, H, W]."""
        return torch.cat(parts, dim=1)


class Add(nn.Module):
    """Adds two tensors."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """[N, C, H, W] twice to [N, C, H, W]."""
        return first + second


@dataclass(frozen=True)
class Recipe:
    """How to build a kernel and what to run it on.

    Attributes:
        build: makes the module on the current device.
        shapes: shapes of its inputs.
    """

    build: Callable[[], nn.Module]
    shapes: tuple[Shape, ...]


def kernel_recipe(name: str, configuration: Configuration) -> Recipe:
    """A kernel as torch runs it.

    Args:
        name: operators joined by ``+``; those after the first keep the shape.
        configuration: by `graphs.kernels.CONFIGURATION`.

    Raises:
        PerfseerError: no kernel of that name can be measured.
    """
    first, *followers = name.split("+")
    if not is_measurable(name):
        raise PerfseerError(
            f"cannot measure kernels called {name!r}; those known start with {', '.join(LAYERS)}"
        )
    channels = configuration["channels_out"]

    def build() -> nn.Module:
        layers = [LAYERS[first](configuration), *(_FOLLOWER[word](channels) for word in followers)]
        # A single layer without a container around it, which would be timed too.
        return layers[0] if len(layers) == 1 else Chain(layers)

    return Recipe(build, _shapes(first, configuration))


def is_measurable(name: str) -> bool:
    """Whether `kernel_recipe` knows all operators of ``name``."""
    first, *followers = name.split("+")
    return first in LAYERS and all(word in _FOLLOWER for word in followers)


class Chain(nn.Module):
    """Layers one after the other, the first of which may take several inputs."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.first, self.rest = layers[0], nn.ModuleList(layers[1:])

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the last layer gives."""
        out = self.first(*inputs)
        for layer in self.rest:
            out = layer(out)
        return out


def _convolution(configuration: Configuration) -> nn.Module:
    kernel = configuration["kernel"]
    return nn.Conv2d(
        configuration["channels_in"],
        configuration["channels_out"],
        kernel,
        configuration["stride"],
        padding=kernel // 2,
        groups=configuration["groups"],
        bias=False,
    )


def _pool(kind: type[nn.MaxPool2d | nn.AvgPool2d], configuration: Configuration) -> nn.Module:
    kernel = configuration["kernel"]
    return kind(kernel, configuration["stride"], padding=(kernel - 1) // 2)


# The first layer of a kernel, by operator.
LAYERS: dict[str, Callable[[Configuration], nn.Module]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    "batch_norm": lambda configuration: nn.BatchNorm2d(configuration["channels_in"]),
    "relu": lambda _: nn.ReLU(),
    "max_pool": partial(_pool, nn.MaxPool2d),
    "avg_pool": partial(_pool, nn.AvgPool2d),
    "global_avg_pool": lambda _: nn.AdaptiveAvgPool2d(1),
    "linear": lambda configuration: nn.Linear(configuration["channels_in"], configuration["channels_out"]),
    "concat": lambda _: Concat(),
    "add": lambda _: Add(),
}
_FOLLOWER: dict[str, Callable[[int], nn.Module]] = {
    "batch_norm": nn.BatchNorm2d,
    "relu": lambda _: nn.ReLU(inplace=True),
}


def _shapes(first: str, configuration: Configuration) -> tuple[Shape, ...]:
    if first == "linear":
        return ((configuration["batch"], configuration["channels_in"]),)
    size = (configuration["height"], configuration["width"])
    if first == "concat":
        parts = [configuration[f"c{number}"] for number in range(1, 5)]
        parts = [*parts[:3], *_split(parts[3], configuration["inputs"] - 3)]
        return tuple((configuration["batch"], channels, *size) for channels in parts if channels)
    shape = (configuration["batch"], configuration["channels_in"], *size)
    return (shape, shape) if first == "add" else (shape,)


def _split(total: int, parts: int) -> list[int]:
    """``total`` in ``parts`` as equal as may be; one part at least."""
    parts = max(parts, 1)
    return [total // parts + (index < total % parts) for index in range(parts)]


def parameter_shapes(configuration: Configuration) -> list[Shape]:
    """Shapes of the tensors an optimiser kernel steps."""
    return [(configuration["channels_in"],)] * configuration["inputs"]
