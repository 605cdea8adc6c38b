"""What a model is fed: shapes and types as people give them, or as the model's library names them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from perfseer.errors import PerfseerError, require
from perfseer.forecast.batches import Argument, BatchDims, named, parameters_of, takes
from perfseer.graphs.batch_dimension import ALL_INPUTS
from perfseer.graphs.declared import MOST_ELEMENTS
from perfseer.graphs.given import Given
from perfseer.zoo.libraries import torchvision_shape
from perfseer.zoo.space import SearchSpace

Shape = tuple[int, ...]
ASSUMED_SHAPE: Shape = (3, 224, 224)


@dataclass(frozen=True)
class Feed:
    """What a model is fed, as far as a person says.

    Names are those of a file's inputs, or of the parameters of a module's ``forward``.

    Attributes:
        shapes: of one sample of every input, in order; None takes what the model or the file declares.
        types: names of torch's types, one for every input or one for all; None takes what is declared.
        space: search space for ``zoo:<id>``.
        named_shapes: whole shapes, with the batch, by input.
        named_types: types by input.
        dims: sizes of free dimensions of files, by the name they have there.
        batch_dims: which dimension is the batch, by input; "" for all alike, None for an input that has none.
            Empty leaves it to be the first where that is plain.
    """

    shapes: tuple[Shape, ...] | None = None
    types: tuple[str, ...] | None = None
    space: SearchSpace | None = None
    named_shapes: Mapping[str, Shape] = field(default_factory=dict)
    named_types: Mapping[str, str] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    batch_dims: BatchDims = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            self.shapes is None or not self.named_shapes,
            "input shapes were given with and without names: give the whole shape of every input by its "
            "name, or one sample of each in order",
        )
        sizes = (*self.dims.values(), *(size for shape in self.named_shapes.values() for size in shape))
        require(all(size >= 1 for size in sizes), f"sizes of inputs are {sizes}, expected at least 1")
        for shape in (*(self.shapes or ()), *self.named_shapes.values()):
            require(
                prod(shape) <= MOST_ELEMENTS, f"no memory has room for an input of {prod(shape):.1e} elements"
            )

    def given(self, batch_size: int | None) -> Given:
        """The same for a model in a file."""
        return Given(
            samples=self.shapes or (),
            shapes=self.named_shapes,
            types=self.named_types,
            dims=self.dims,
            batch_dims=self.batch_dims,
            batch_size=batch_size,
        )


def sampled(module: nn.Module, feed: Feed, shapes: Sequence[Shape]) -> tuple[Tensor, ...]:
    """Inputs of one sample each, on the meta device, in the order of ``forward``'s parameters.

    Raises:
        PerfseerError: there are types for another number of inputs, or for one that the model does not take.
    """
    names = [name for name, _ in named(module, [None] * len(shapes), {})]
    _require_known(module, feed.named_types, names)
    types = feed.types or ("float32",)
    types = types * len(shapes) if len(types) == 1 else types
    require(
        len(types) == len(shapes),
        f"{len(types)} input types for {len(shapes)} inputs: give one for each, or one for all",
    )
    _require_known(module, [name for name in feed.batch_dims if name != ALL_INPUTS], names)
    made = []
    for name, shape, kind in zip(names, shapes, types, strict=True):
        axis = feed.batch_dims.get(name, feed.batch_dims.get(ALL_INPUTS)) if feed.batch_dims else 0
        require(
            axis is None or axis <= len(shape),
            f"--batch-dim {axis}: one sample of {name} has only {len(shape)} dimensions",
        )
        whole = shape if axis is None else (*shape[:axis], 1, *shape[axis:])
        made.append(torch.empty(whole, dtype=torch_type(feed.named_types.get(name, kind)), device="meta"))
    return tuple(made)


def by_name(module: nn.Module, feed: Feed, example: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Inputs of the whole shapes that have names, on the meta device, in the order of ``forward``.

    Args:
        module: the model.
        feed: shapes and types.
        example: its own inputs by name, whose types are taken where none is given.

    Raises:
        PerfseerError: ``forward`` takes no such input, or needs others.
    """
    parameters = parameters_of(module)
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = [p.name for p in plain]
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        known += [name for name in feed.named_shapes if name not in known]
    _require_known(module, feed.named_shapes, known)
    _require_known(module, feed.named_types, list(feed.named_shapes))
    needed = [p.name for p in plain if p.default is p.empty and p.name not in feed.named_shapes]
    if needed:
        raise PerfseerError(
            f"{takes(module)}; no shape was given for {', '.join(needed)}: give its whole shape with "
            f"the batch, such as --input-shape {needed[0]}=1x16"
        )
    require(
        feed.types is None or len(feed.types) == 1,
        "input types were given in order and shapes by name: give the types by name too",
    )

    def kind(name: str) -> torch.dtype:
        if name in feed.named_types:
            return torch_type(feed.named_types[name])
        own = example.get(name)
        return (
            torch_type(feed.types[0])
            if feed.types
            else own.dtype
            if isinstance(own, Tensor)
            else torch.float32
        )

    return {
        name: torch.empty(feed.named_shapes[name], dtype=kind(name), device="meta")
        for name in known
        if name in feed.named_shapes
    }


def retyped(module: nn.Module, arguments: Sequence[Argument], types: Mapping[str, str]) -> list[Any]:
    """The values of arguments, with other types where they are named.

    Raises:
        PerfseerError: there is no such argument.
    """
    _require_known(module, types, [name for name, _ in arguments])

    def cast(name: str, value: Any) -> Any:
        if name not in types or not isinstance(value, Tensor):
            return value
        return torch.empty(value.shape, dtype=torch_type(types[name]), device="meta")

    return [tree_map(lambda leaf, name=name: cast(name, leaf), value) for name, value in arguments]


def _require_known(module: nn.Module, given: Iterable[str], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    parameters = {parameter.name for parameter in parameters_of(module)}
    require(
        set(unknown) <= parameters, f"no input is called {', '.join(map(repr, unknown))}; {takes(module)}"
    )
    others = ", ".join(known) or "no input"
    raise PerfseerError(f"no shape was given for {', '.join(unknown)}, but for {others}; {takes(module)}")


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


def torch_type(name: str, option: str = "") -> torch.dtype:
    """The type that torch calls ``name``.

    Args:
        name: such as ``float32``.
        option: where it was given, for messages.

    Raises:
        PerfseerError: it has none.
    """
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise PerfseerError(
            f"{option}{' ' * bool(option)}{name!r} is no type of torch; expected one like float32 or int64"
        )
    return found


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of an example: a tensor, a tuple of arguments, or a mapping."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example) if isinstance(example, tuple | list) else (example,)), {}


def tensors(inputs: Any) -> list[Tensor]:
    """The tensors in nested inputs, in order."""
    return [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
