"""Which dimension of a file's inputs is the batch: said, or by its name, or the first where that is plain."""

import re
from collections.abc import Mapping, Sequence

from perfseer.graphs.declared import DeclaredInput, Dimension

# In place of an input's name: all inputs.
ALL_INPUTS = ""
# Dimensions that follow from others.
SUM = re.compile(r"\s*([\w.]+)\s*([-+*])\s*([\w.]+)\s*")

# Names of dimensions, the surest first.
_BATCH_NAMES = (re.compile(r".*batch.*"), re.compile(r"b|bs|bsz|nb"), re.compile(r"n"))
_SEQUENCE_NAME = re.compile(r".*(seq|len|token|time|past|step|word|frame|char).*|[tls]")
# What exporters call a dimension that nobody named.
_ANONYMOUS = re.compile(r"[su]\d+|unk.*|\?.*|.*dynamic_axes_\d+|(.*_)?d(im)?_?\d+|dyn.*|-1")


def batch_axes(
    inputs: Sequence[DeclaredInput], said: Mapping[str, int | None]
) -> tuple[dict[str, int | None], bool]:
    """The dimension of every input that is the batch, and whether that is a guess by position.

    Args:
        inputs: as declared.
        said: by input, `ALL_INPUTS` for every one that has there what the first one has.
    """
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
    return axis if dimension(value, axis) == dimension(first, axis) else None


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
    if not isinstance(size, str) or SUM.fullmatch(size) or _SEQUENCE_NAME.fullmatch(size.lower()):
        return False
    return pattern.fullmatch(size.lower()) is not None


def _axes_by_position(inputs: Sequence[DeclaredInput]) -> dict[str, int | None]:
    """The first dimension: as the file fixes it, or open in the first input and not called otherwise."""
    nowhere: dict[str, int | None] = {value.name: None for value in inputs}
    shaped = [value for value in inputs if value.shape is None or len(value.shape) > 0]
    if not shaped:
        return nowhere
    lead = next((value for value in shaped if value.shape is None or len(value.shape) > 1), shaped[0])
    first = dimension(lead, 0)
    if isinstance(first, str) and _SEQUENCE_NAME.fullmatch(first.lower()):
        return nowhere
    if isinstance(first, str) and not _ANONYMOUS.fullmatch(first):
        others = [dimension(value, 0) for value in shaped if value.shape and len(value.shape) > 1]
        if any(other not in (first, 1) for other in others):
            return nowhere  # numbers of different things, such as nodes and edges
    fits = {
        value.name
        for value in shaped
        if (size := dimension(value, 0)) == first
        or size is None
        or (isinstance(size, str) and not _SEQUENCE_NAME.fullmatch(size.lower()))
    }
    return {name: 0 if name in fits else None for name in nowhere}


def dimension(value: DeclaredInput, axis: int | None) -> Dimension:
    """What is declared there; None where nothing is."""
    if axis is None or value.shape is None or axis >= len(value.shape):
        return None
    return value.shape[axis]


def fixed_batch(inputs: Sequence[DeclaredInput]) -> int | None:
    """The number of samples a file is exported for; None where it leaves it open, or has none."""
    return declared_batch_at(inputs, batch_axes(inputs, {})[0])


def declared_batch_at(inputs: Sequence[DeclaredInput], axes: Mapping[str, int | None]) -> int | None:
    """The batch a file is fixed to at these dimensions, by its first input of more than one."""
    batched = [value for value in inputs if axes[value.name] is not None and value.shape]
    lead = next((value for value in batched if len(value.shape or ()) > 1), next(iter(batched), None))
    size = None if lead is None else dimension(lead, axes[lead.name])
    return size if isinstance(size, int) else None
