"""The weights of several networks in one safetensors file, each under its own prefix."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError


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
        raise PerfseerError(
            f"{path} does not hold this network's weights ({error}): train it again"
        ) from error
