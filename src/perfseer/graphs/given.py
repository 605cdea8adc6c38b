"""Shapes of the inputs of a model in a file: what it declares, completed by what a person says.

A person names whole shapes by input, sizes of free dimensions by their symbol, the dimension that is the
batch, and the number of samples. Which dimension is the batch is guessed only where it is plain: by its name
(``batch``, ``N``), or else as the first one where nothing speaks against it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from perfseer.errors import PerfseerError, require
from perfseer.graphs.batch_dimension import ALL_INPUTS, SUM, batch_axes, declared_batch_at, dimension
from perfseer.graphs.declared import MOST_ELEMENTS, DeclaredInput, Dimension, dtype_of
from perfseer.graphs.perfgraph import PerfGraph

Shape = tuple[int, ...]
_MOST_TOLD = 24  # inputs or dimensions in a message
_NO_TENSORS = frozenset({"sequence_type", "optional_type", "map_type", "sparse_tensor_type"})


@dataclass(frozen=True)
class Given:
    """What a person says of the inputs of a model in a file.

    Attributes:
        samples: shapes of one sample of the first inputs, without the batch.
        shapes: whole shapes by input, with the batch.
        types: torch's names of element types by input.
        dims: sizes of free dimensions by their symbol.
        batch_dims: which dimension is the batch, by input, `ALL_INPUTS` for all alike; None for an input that
            has none. Inputs that are not named have none either, if any is.
        batch_size: samples; None for the number that the shapes or the file have, or 1.
    """

    samples: tuple[Shape, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    batch_dims: Mapping[str, int | None] = field(default_factory=dict)
    batch_size: int | None = None


@dataclass(frozen=True)
class InputShapes:
    """Shapes of all inputs of a file.

    Attributes:
        shapes: one for each input, in order.
        axes: which of an input's dimensions is the batch, None where it has none.
        batch_size: samples; 1 where no input has a batch.
        declared_batch: the number of samples the file is fixed to, None where it leaves it open.
        guessed: whether the batch was taken to be the first dimension because nothing said otherwise.
    """

    shapes: tuple[Shape, ...]
    axes: tuple[int | None, ...]
    batch_size: int
    declared_batch: int | None
    guessed: bool

    def at(self, batch_size: int) -> "InputShapes":
        """The same with another number of samples."""
        shapes = tuple(
            shape if axis is None else _with(shape, axis, batch_size)
            for shape, axis in zip(self.shapes, self.axes, strict=True)
        )
        return replace(self, shapes=shapes, batch_size=batch_size)


@dataclass(frozen=True)
class CapturedFile:
    """A model in a file at one input.

    Attributes:
        graph: what it runs.
        shapes: of every input, with the batch.
        types: torch's name of the element type of every input.
        notes: what had to be assumed on the way, in whole sentences.
        weight_types: element types of the weights other than float32.
        quantised: whether it computes in integers, whatever the precision that is asked for.
    """

    graph: PerfGraph
    shapes: tuple[Shape, ...]
    types: tuple[str, ...]
    notes: tuple[str, ...] = ()
    weight_types: tuple[str, ...] = ()
    quantised: bool = False


def described(inputs: Sequence[DeclaredInput]) -> str:
    """What a file has, for messages: its inputs and its free dimensions."""
    names = _some([f"{value.name} [{_listed(value)}]" for value in inputs]) or "no inputs"
    free = _some(list(dict.fromkeys(_symbols(inputs))))
    return f"the file has {names}" + (f" with free dimensions {free}" if free else "")


def _some(words: Sequence[str], separator: str = ", ") -> str:
    """The first of many, so that a message stays one."""
    more = f" and {len(words) - _MOST_TOLD} more" if len(words) > _MOST_TOLD else ""
    return separator.join(words[:_MOST_TOLD]) + more


def _listed(value: DeclaredInput) -> str:
    return "?" if value.shape is None else ", ".join("?" if d is None else str(d) for d in value.shape)


def resolve(inputs: Sequence[DeclaredInput], given: Given) -> InputShapes:
    """Shapes of all inputs.

    Raises:
        PerfseerError: something is given for what the file does not have, contradicts the file or itself, or
            a dimension stays open.
    """
    _check_names(inputs, given)
    axes, guessed = batch_axes(inputs, given.batch_dims)
    fixed = declared_batch_at(inputs, axes)
    sizes = _sizes(inputs, given, axes)
    own = _own_batch(inputs, given, axes, sizes)
    require(
        given.batch_size in (None, 1, own) or any(axis is not None for axis in axes.values()),
        f"{given.batch_size} samples were asked for, but which dimension is the batch is not plain: name it "
        f"with --batch-dim, such as {_example(inputs)}; {described(inputs)}",
    )
    batch = given.batch_size or own or fixed or 1
    batch_symbols = {dimension(value, axes[value.name]) for value in inputs}
    sizes |= {symbol: batch for symbol in batch_symbols if isinstance(symbol, str)}
    shapes = [
        _complete(_shape(value, given, position, axes[value.name], batch, {own, fixed}), sizes)
        for position, value in enumerate(inputs)
    ]
    _require_complete(inputs, shapes)
    whole = tuple(tuple(size for size in shape if isinstance(size, int)) for shape in shapes)
    for value, axis, sized in zip(inputs, axes.values(), whole, strict=True):
        _check_shape(value, axis, sized)
    moving = tuple(
        axis if axis is not None and shape[axis] == batch else None
        for axis, shape in zip(axes.values(), whole, strict=True)
    )
    return InputShapes(whole, moving, batch, fixed, guessed)


def no_batch(inputs: Sequence[DeclaredInput]) -> str:
    """That the first dimension turned out to be none."""
    name = inputs[0].name if inputs else "x"
    return (
        f"what was taken for the batch is the length of a sequence, or something else that is worked along: "
        f"name the batch, with --batch-dim 1 or --batch-dim {name}=1; --batch-dim 0 says that it is "
        f"the first all the same; {described(inputs)}"
    )


def types_of(inputs: Sequence[DeclaredInput], given: Given) -> tuple[str, ...]:
    """Torch's name of the element type of every input."""
    return tuple(dtype_of(value, given.types) for value in inputs)


# -- names ----------------------------------------------------------------------------------------------


def _check_names(inputs: Sequence[DeclaredInput], given: Given) -> None:
    known = {value.name: value for value in inputs}
    for name in (*given.shapes, *given.types, *given.batch_dims):
        require(name in known or name == ALL_INPUTS, f"no input is called {name!r}; {described(inputs)}")
    symbols = set(_symbols(inputs))
    unknown = [name for name in given.dims if name not in symbols]
    require(not unknown, f"no free dimension is called {', '.join(map(repr, unknown))}; {described(inputs)}")
    require(
        len(given.samples) <= len(inputs),
        f"{len(given.samples)} shapes were given for {len(inputs)} inputs; {described(inputs)}",
    )
    for name, shape in given.shapes.items():
        declared = known[name].shape
        if declared is not None and len(declared) != len(shape):
            _check_shape(known[name], None, shape)
    size = given.batch_size
    require(size is None or size >= 1, f"the batch size must be at least 1, given {size}")
    for name, dtype in given.types.items():
        own = known[name].dtype
        require(
            own in ("undeclared", dtype),
            f"input {name!r} is declared {own}, given {dtype}: leave the type away",
        )
    for name, axis in given.batch_dims.items():
        ranked = [value for value in inputs if value.shape is not None and name in (ALL_INPUTS, value.name)]
        rank = max((len(value.shape or ()) for value in ranked), default=None)
        require(
            axis is None or rank is None or 0 <= axis < rank,
            f"there is no dimension {axis} to be the batch{f' of {name!r}' if name else ''}; "
            + described(inputs),
        )


def _symbols(inputs: Iterable[DeclaredInput]) -> list[str]:
    return [size for value in inputs for size in value.shape or () if isinstance(size, str)]


def _example(inputs: Sequence[DeclaredInput]) -> str:
    return f"--batch-dim 0 or --batch-dim {inputs[0].name}=0" if inputs else "--batch-dim 0"


# -- sizes ----------------------------------------------------------------------------------------------


def _sizes(inputs: Sequence[DeclaredInput], given: Given, axes: Mapping[str, int | None]) -> dict[str, int]:
    """What symbols stand for; a symbol has one size in every input."""
    sizes = dict(given.dims)
    source = {name: f"--dim {name}={size}" for name, size in sizes.items()}
    for position, value in enumerate(inputs):
        axis = axes[value.name]
        shape: Sequence[Dimension] = given.shapes.get(value.name, ())
        if position < len(given.samples):
            shape = _sampled(value, given.samples[position], axis, None)
        for symbol, size in zip(value.shape or (), shape, strict=False):
            if not isinstance(symbol, str) or not isinstance(size, int) or SUM.fullmatch(symbol):
                continue
            require(
                sizes.get(symbol, size) == size,
                f"dimension {symbol!r} is {sizes.get(symbol)} by {source.get(symbol)} and {size} by the "
                f"shape of {value.name!r}: it has one size; {described(inputs)}",
            )
            sizes[symbol] = size
            source.setdefault(symbol, f"the shape of {value.name!r}")
    return sizes


def _own_batch(
    inputs: Sequence[DeclaredInput],
    given: Given,
    axes: Mapping[str, int | None],
    sizes: Mapping[str, int],
) -> int | None:
    """The number of samples that dimensions and shapes name, if any does."""
    for value in inputs:
        symbol = dimension(value, axes[value.name])
        if isinstance(symbol, str) and symbol in given.dims:
            own = given.dims[symbol]
            require(
                given.batch_size in (None, own),
                f"--dim {symbol}={own} and {given.batch_size} samples contradict each other: {symbol!r} is "
                "the batch; give one of both",
            )
            return own
    for value in inputs:
        axis = axes[value.name]
        symbol = dimension(value, axis)
        if isinstance(symbol, str) and symbol in sizes:
            return sizes[symbol]
        shape = given.shapes.get(value.name)
        if shape is not None and axis is not None and axis < len(shape):
            return shape[axis]
    return None


def _shape(
    value: DeclaredInput,
    given: Given,
    position: int,
    axis: int | None,
    batch: int,
    before: Collection[int | None],
) -> list[Dimension]:
    """A shape with the batch in place of the one ``before``, as far as it is known."""
    if value.name in given.shapes:
        whole: list[Dimension] = [int(size) for size in given.shapes[value.name]]
        if axis is not None and axis < len(whole) and whole[axis] in before:
            whole[axis] = batch
        return whole
    if position < len(given.samples):
        return _sampled(value, given.samples[position], axis, batch)
    if value.shape is None:
        require(
            value.dtype not in _NO_TENSORS,
            f"input {value.name!r} is a {value.dtype.removesuffix('_type')} and no tensor: export the model "
            "with tensors as inputs",
        )
        raise PerfseerError(
            f"the file does not say the shape of input {value.name!r}: give it whole, with the batch, such "
            f"as --input-shape {value.name}=1x16"
        )
    shape = list(value.shape)
    if axis is not None and (not isinstance(shape[axis], int) or shape[axis] in before):
        shape[axis] = batch
    return shape


def _sampled(value: DeclaredInput, sample: Shape, axis: int | None, batch: int | None) -> list[Dimension]:
    """One sample's shape with the batch in its place; as it is for an input that has none."""
    if axis is None and value.shape is not None and len(sample) == len(value.shape):
        return list(sample)
    place = axis or 0
    return [*sample[:place], batch, *sample[place:]]


def _complete(shape: Sequence[Dimension], sizes: Mapping[str, int]) -> list[Dimension]:
    return [_size(size, sizes) if isinstance(size, str) else size for size in shape]


def _size(symbol: str, sizes: Mapping[str, int]) -> Dimension:
    """What a symbol stands for: said, or the sum, difference or product of two that are."""
    if symbol in sizes:
        return sizes[symbol]
    parts = SUM.fullmatch(symbol)
    if parts is None:
        return symbol
    first, second = (
        int(part) if part.isdecimal() and len(part) < 16 else sizes.get(part) for part in parts.group(1, 3)
    )
    if first is None or second is None:
        return symbol
    sign = parts.group(2)
    return first * second if sign == "*" else first + second if sign == "+" else first - second


def _require_complete(inputs: Sequence[DeclaredInput], shapes: Sequence[Sequence[Dimension]]) -> None:
    """One message for all that is open, with what to type."""
    still_open = [
        (value, [size for size in shape if not isinstance(size, int)])
        for value, shape in zip(inputs, shapes, strict=True)
    ]
    if not any(sizes for _, sizes in still_open):
        return
    value, _ = next(entry for entry in still_open if entry[1])
    axis = next(a for a, size in enumerate(shapes[inputs.index(value)]) if not isinstance(size, int))
    # sums follow from their parts
    plain = [s for _, sizes in still_open for s in sizes if isinstance(s, str) and not SUM.fullmatch(s)]
    named = list(dict.fromkeys(plain)) or [s for _, sizes in still_open for s in sizes if s is not None]
    dims = _some([f"--dim {_quoted(name)}=SIZE" for name in named], " ")
    whole = f"--input-shape {value.name}=" + "x".join(
        str(size) if isinstance(size, int) else "SIZE" for size in shapes[inputs.index(value)]
    )
    raise PerfseerError(
        f"input {value.name!r} is {value.shape_text} with dimension {axis} open; {described(inputs)}: give "
        + (f"{dims}, or whole shapes such as {whole}" if named else f"whole shapes, such as {whole}")
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if re.search(r"[^\w.-]", name) else name


def _check_shape(value: DeclaredInput, axis: int | None, shape: Shape) -> None:
    text = "x".join(map(str, shape))
    fits = value.shape is None or (
        len(value.shape) == len(shape)
        and all(
            place == axis or not isinstance(old, int) or old == new
            for place, (old, new) in enumerate(zip(value.shape, shape, strict=True))
        )
    )
    require(
        fits,
        f"input {value.name!r} is declared {value.shape_text}, given {text}; export the model at the other "
        "shape, or with dynamic dimensions",
    )
    require(
        all(size >= 1 for size in shape) and prod(shape) <= MOST_ELEMENTS,
        f"input {value.name!r} of shape {text}: expected sizes from 1, and no more than memory has room for",
    )


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])
