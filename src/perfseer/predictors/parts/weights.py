"""The weights of several networks in one safetensors file, each under its own prefix."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError

N = TypeVar("N", bound=nn.Module)


def count_weights(*networks: nn.Module) -> int:
    """Numbers that the networks learn."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def save_weights(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Write weights and buffers; equal networks give equal bytes.

    Args:
        path: file to write.
        networks: by prefix.

    Raises:
        PerfseerError: the place cannot be written.
    """
    weights = {
        f"{prefix}.{name}": value.contiguous()
        for prefix, network in networks.items()
        for name, value in network.state_dict().items()
    }
    with atomic(path) as temporary:
        save_file(weights, temporary)


def load_networks(path: Path, build: Callable[[], Mapping[str, N]]) -> dict[str, N]:
    """Networks of the layers that ``build`` gives, with the weights that `save_weights` wrote.

    Settings that a file makes up may ask for more layers than there is memory for, so the layers are compared
    with the file before they are made.

    Raises:
        PerfseerError: the file is missing, damaged, or of other layers.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _no_weights(path, error) from error
    with torch.device("meta"):
        wanted = {
            f"{prefix}.{name}": tuple(value.shape)
            for prefix, network in build().items()
            for name, value in network.state_dict().items()
        }
    differing = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if differing:
        raise _no_weights(path, f"{len(differing)} tensors differ, {differing[0][:60]} for one")
    networks = dict(build())
    load_weights(path, networks)
    return networks


def load_weights(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Read what `save_weights` wrote into networks of the same layers.

    Raises:
        PerfseerError: the file is missing, damaged, or of other layers.
    """
    try:
        weights = load_file(path)
        for prefix, network in networks.items():
            start = f"{prefix}."
            own = {name[len(start) :]: value for name, value in weights.items() if name.startswith(start)}
            network.load_state_dict(own)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _no_weights(path, error) from error


def _no_weights(path: Path, why: object) -> PerfseerError:
    return PerfseerError(f"{path} does not hold this network's weights ({why}): train it again")
