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
from perfseer.graphs.declared import MOST_ELEMENTS, DeclaredInput, Dimension
from perfseer.graphs.perfgraph import PerfGraph

Shape = tuple[int, ...]
# In `Given.batch_dims`: every input that has there what the first one has.
ALL_INPUTS = ""

# Names of dimensions, the surest first.
_BATCH_NAMES = (re.compile(r".*batch.*"), re.compile(r"b|bs|bsz|nb"), re.compile(r"n"))
_SEQUENCE_NAME = re.compile(r".*(seq|len|token|time|past|step|word|frame|char).*|[tls]")
# What exporters call a dimension that nobody named.
_ANONYMOUS = re.compile(r"[su]\d+|unk.*|\?.*|.*dynamic_axes_\d+|(.*_)?d(im)?_?\d+|dyn.*|-1")
_SUM = re.compile(r"\s*([\w.]+)\s*([-+*])\s*([\w.]+)\s*")


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
        notes: what had to be assumed on the way, in whole sentences.
    """

    graph: PerfGraph
    shapes: tuple[Shape, ...]
    notes: tuple[str, ...] = ()


def described(inputs: Sequence[DeclaredInput]) -> str:
    """What a file has, for messages: its inputs and its free dimensions."""
    names = ", ".join(f"{value.name} {value.shape_text}" for value in inputs) or "no inputs"
    free = ", ".join(dict.fromkeys(_symbols(inputs)))
    return f"the file has {names}" + (f" with free dimensions {free}" if free else "")


def resolve(inputs: Sequence[DeclaredInput], given: Given) -> InputShapes:
    """Shapes of all inputs.

    Raises:
        PerfseerError: something is given for what the file does not have, contradicts the file or itself, or
            a dimension stays open.
    """
    _check_names(inputs, given)
    axes, guessed = _batch_axes(inputs, given)
    fixed = _fixed_batch(inputs, axes)
    sizes = _sizes(inputs, given, axes)
    own = _own_batch(inputs, given, axes, sizes)
    require(
        given.batch_size in (None, 1, own) or any(axis is not None for axis in axes.values()),
        f"{given.batch_size} samples were asked for, but which dimension is the batch is not plain: name it "
        f"with --batch-dim, such as {_example(inputs)}; {described(inputs)}",
    )
    batch = given.batch_size or own or fixed or 1
    batch_symbols = {_dimension(value, axes[value.name]) for value in inputs}
    sizes |= {symbol: batch for symbol in batch_symbols if isinstance(symbol, str)}
    shapes = []
    for position, value in enumerate(inputs):
        axis = axes[value.name]
        shape = _shape(value, given, position, axis, batch, {own, fixed})
        shapes.append(_complete(shape, sizes))
    _require_complete(inputs, shapes)
    whole = tuple(tuple(int(size) for size in shape if isinstance(size, int)) for shape in shapes)
    for value, axis, shape in zip(inputs, axes.values(), whole, strict=True):
        _check_shape(value, axis, shape)
    moving = tuple(
        axis if axis is not None and shape[axis] == batch else None
        for axis, shape in zip(axes.values(), whole, strict=True)
    )
    return InputShapes(whole, moving, batch, fixed, guessed)


def no_batch(inputs: Sequence[DeclaredInput]) -> str:
    """That the first dimension turned out to be none."""
    name = inputs[0].name if inputs else "x"
    return (
        f"the first dimension is the length of a sequence here, or something else that is worked along, and no "
        f"batch: name the batch, with --batch-dim 1 or --batch-dim {name}=1; --batch-dim 0 says that it is "
        f"the first all the same; {described(inputs)}"
    )


def input_shapes_of(
    inputs: Sequence[DeclaredInput], batch_size: int | None, given: Mapping[str, Sequence[int]]
) -> list[Shape]:
    """Shape of every input, as `resolve` finds it from whole shapes by input and the number of samples.

    Raises:
        PerfseerError: one is open, given for no input, or contradicts the file.
    """
    shapes = {name: tuple(shape) for name, shape in given.items()}
    return list(resolve(inputs, Given(shapes=shapes, batch_size=batch_size)).shapes)


# -- names ----------------------------------------------------------------------------------------------


def _check_names(inputs: Sequence[DeclaredInput], given: Given) -> None:
    known = {value.name: value for value in inputs}
    for name in (*given.shapes, *given.types, *given.batch_dims):
        require(name in known or name == ALL_INPUTS, f"no input is called {name!r}; {described(inputs)}")
    symbols = set(_symbols(inputs))
    unknown = [name for name in given.dims if name not in symbols]
    require(
        not unknown, f"no free dimension is called {', '.join(map(repr, unknown))}; {described(inputs)}"
    )
    require(
        len(given.samples) <= len(inputs),
        f"{len(given.samples)} shapes were given for {len(inputs)} inputs; {described(inputs)}",
    )
    size = given.batch_size
    require(size is None or size >= 1, f"the batch size must be at least 1, given {size}")
    for name, dtype in given.types.items():
        declared = known[name].dtype
        require(
            declared in ("undeclared", dtype), f"input {name!r} is {declared}, given {dtype}: leave it away"
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


# -- the batch ------------------------------------------------------------------------------------------


def _batch_axes(inputs: Sequence[DeclaredInput], given: Given) -> tuple[dict[str, int | None], bool]:
    """The dimension of every input that is the batch, and whether that is a guess by position."""
    said = given.batch_dims
    if said:
        return {value.name: _said_axis(inputs, value, said) for value in inputs}, False
    named = _axes_by_name(inputs)
    if any(axis is not None for axis in named.values()):
        return named, False
    return _axes_by_position(inputs), True


def _said_axis(
    inputs: Sequence[DeclaredInput], value: DeclaredInput, said: Mapping[str, int | None]
) -> int | None:
    if value.name in said:
        return said[value.name]
    axis = said.get(ALL_INPUTS)
    if axis is None or (value.shape is not None and axis >= len(value.shape)):
        return None
    first = next(other for other in inputs if other.shape is None or axis < len(other.shape))
    return axis if _dimension(value, axis) == _dimension(first, axis) else None


def _axes_by_name(inputs: Sequence[DeclaredInput]) -> dict[str, int | None]:
    """By what the exporter called it, wherever it stands."""
    for pattern in _BATCH_NAMES:
        axes = {
            value.name: next((a for a, size in enumerate(value.shape or ()) if _is(pattern, size)), None)
            for value in inputs
        }
        if any(axis is not None for axis in axes.values()):
            return axes
    return axes if inputs else {}


def _is(pattern: re.Pattern[str], size: Dimension) -> bool:
    if not isinstance(size, str) or _SUM.fullmatch(size) or _SEQUENCE_NAME.fullmatch(size.lower()):
        return False
    return pattern.fullmatch(size.lower()) is not None


def _axes_by_position(inputs: Sequence[DeclaredInput]) -> dict[str, int | None]:
    """The first dimension: as the file fixes it, or open in the first input and not called otherwise."""
    nowhere: dict[str, int | None] = {value.name: None for value in inputs}
    shaped = [value for value in inputs if value.shape is None or len(value.shape) > 0]
    if not shaped:
        return nowhere
    lead = next((value for value in shaped if value.shape is None or len(value.shape) > 1), shaped[0])
    first = _dimension(lead, 0)
    if isinstance(first, str) and _SEQUENCE_NAME.fullmatch(first.lower()):
        return nowhere
    if isinstance(first, str) and not _ANONYMOUS.fullmatch(first):
        others = [_dimension(value, 0) for value in shaped if value.shape and len(value.shape) > 1]
        if any(other not in (first, 1) for other in others):
            return nowhere  # numbers of different things, such as nodes and edges
    fits = {
        value.name
        for value in shaped
        if (size := _dimension(value, 0)) == first
        or size is None
        or (isinstance(size, str) and not _SEQUENCE_NAME.fullmatch(size.lower()))
    }
    return {name: 0 if name in fits else None for name in nowhere}


def _dimension(value: DeclaredInput, axis: int | None) -> Dimension:
    """What is declared there; None where nothing is."""
    if axis is None or value.shape is None or axis >= len(value.shape):
        return None
    return value.shape[axis]


def fixed_batch(inputs: Sequence[DeclaredInput]) -> int | None:
    """The number of samples a file is exported for; None where it leaves it open, or has none."""
    return _fixed_batch(inputs, _batch_axes(inputs, Given())[0])


def _fixed_batch(inputs: Sequence[DeclaredInput], axes: Mapping[str, int | None]) -> int | None:
    """The batch a file is fixed to, as its first input of more than one dimension has it."""
    batched = [value for value in inputs if axes[value.name] is not None and value.shape]
    lead = next((value for value in batched if len(value.shape or ()) > 1), next(iter(batched), None))
    size = None if lead is None else _dimension(lead, axes[lead.name])
    return size if isinstance(size, int) else None


# -- sizes ----------------------------------------------------------------------------------------------


def _sizes(
    inputs: Sequence[DeclaredInput], given: Given, axes: Mapping[str, int | None]
) -> dict[str, int]:
    """What symbols stand for; a symbol has one size in every input."""
    sizes = dict(given.dims)
    source = {name: f"--dim {name}={size}" for name, size in sizes.items()}
    for position, value in enumerate(inputs):
        axis = axes[value.name]
        shape: Sequence[Dimension] = given.shapes.get(value.name, ())
        if position < len(given.samples):
            shape = _sampled(value, given.samples[position], axis, None)
        for symbol, size in zip(value.shape or (), shape, strict=False):
            if not isinstance(symbol, str) or not isinstance(size, int) or _SUM.fullmatch(symbol):
                continue
            require(
                sizes.get(symbol, size) == size,
                f"dimension {symbol!r} is {sizes.get(symbol)} by {source.get(symbol)} and {size} by the shape of "
                f"{value.name!r}: it has one size; {described(inputs)}",
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
        symbol = _dimension(value, axes[value.name])
        if isinstance(symbol, str) and symbol in given.dims:
            own = given.dims[symbol]
            require(
                given.batch_size in (None, own),
                f"--dim {symbol}={own} and {given.batch_size} samples contradict each other: {symbol!r} is the "
                "batch; give one of both",
            )
            return own
    for value in inputs:
        axis = axes[value.name]
        symbol = _dimension(value, axis)
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
        raise PerfseerError(
            f"the file does not say the shape of input {value.name!r}: give it whole, with the batch, such as "
            f"--input-shape {value.name}=1x16"
            if value.dtype not in ("sequence_type", "optional_type", "map_type", "sparse_tensor_type")
            else f"input {value.name!r} is a {value.dtype.removesuffix('_type')}, no tensor: export the model "
            "with tensors as inputs"
        )
    shape = list(value.shape)
    if axis is not None and (not isinstance(shape[axis], int) or shape[axis] in before):
        shape[axis] = batch
    return shape


def _sampled(
    value: DeclaredInput, sample: Shape, axis: int | None, batch: int | None
) -> list[Dimension]:
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
    parts = _SUM.fullmatch(symbol)
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
    plain = [s for _, sizes in still_open for s in sizes if isinstance(s, str) and not _SUM.fullmatch(s)]
    named = list(dict.fromkeys(plain)) or [s for _, sizes in still_open for s in sizes if s is not None]
    dims = " ".join(f"--dim {_quoted(name)}=SIZE" for name in named)
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
