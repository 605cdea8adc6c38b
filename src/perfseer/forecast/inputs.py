"""What a model is fed: shapes and types as people give them, or as the model's library names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from perfseer.errors import PerfseerError, require
from perfseer.zoo.libraries import torchvision_shape
from perfseer.zoo.space import SearchSpace

Shape = tuple[int, ...]
ASSUMED_SHAPE: Shape = (3, 224, 224)


@dataclass(frozen=True)
class Feed:
    """What a model is fed, as far as a person says.

    Attributes:
        shapes: of one sample of every input; None takes what the model or the file declares.
        types: names of torch's types, one for every input or one for all; None takes what is declared.
        space: search space for ``zoo:<id>``.
    """

    shapes: tuple[Shape, ...] | None = None
    types: tuple[str, ...] | None = None
    space: SearchSpace | None = None

    def samples(self, shapes: Sequence[Shape]) -> tuple[Tensor, ...]:
        """Inputs of one sample each, on the meta device.

        Raises:
            PerfseerError: there are types for another number of inputs, or one that torch does not have.
        """
        types = self.types or ("float32",)
        types = types * len(shapes) if len(types) == 1 else types
        require(
            len(types) == len(shapes),
            f"{len(types)} input types for {len(shapes)} inputs: give one for each, or one for all",
        )
        return tuple(
            torch.empty((1, *shape), dtype=torch_type(name), device="meta")
            for shape, name in zip(shapes, types, strict=True)
        )


def default_shape(kind: str, target: str, module: nn.Module) -> Shape | None:
    """Shape of one sample that a model's library was made for; None where it names none.

    Args:
        kind: of the reference, ``timm``, ``torchvision``, …
        target: the model's name in its library.
        module: the model.
    """
    if kind == "timm":
        settings = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
        size = settings.get("input_size")
        return tuple(int(length) for length in size) if size else None
    if kind == "torchvision":
        size = getattr(module, "image_size", None)  # of vision transformers, made for one size
        return (3, size, size) if isinstance(size, int) else torchvision_shape(target)
    return None


def resized(inputs: Any, batch_size: int | None) -> Any:
    """Inputs with another number of samples, on the meta device.

    The first dimension of the first tensor is the batch; every tensor whose first dimension has the same
    length gets ``batch_size`` there, the others stay.

    Raises:
        PerfseerError: there is no tensor with dimensions to resize.
    """
    if batch_size is None:
        return inputs
    found = tensors(inputs)
    require(
        bool(found) and found[0].dim() > 0,
        "a batch size was given, but the first input has no dimension that could be the batch",
    )
    own = found[0].shape[0]

    def resize(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dim() == 0 or value.shape[0] != own:
            return value
        return torch.empty((batch_size, *value.shape[1:]), dtype=value.dtype, device="meta")

    return tree_map(resize, inputs)


def torch_type(name: str) -> torch.dtype:
    """The type that torch calls ``name``.

    Raises:
        PerfseerError: it has none.
    """
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise PerfseerError(f"{name!r} is no type of torch; expected one like float32 or int64")
    return found


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of an example: a tensor, a tuple of arguments, or a mapping."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example) if isinstance(example, tuple | list) else (example,)), {}


def tensors(inputs: Any) -> list[Tensor]:
    """The tensors in nested inputs, in order."""
    return [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
