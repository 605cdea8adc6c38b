"""ONNX files to PerfGraphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.onnx.calls import empty, torch_type
from perfseer.graphs.onnx.model import DeclaredInput, OnnxModel
from perfseer.graphs.onnx.module import OnnxModule
from perfseer.graphs.onnx.parsing import parse
from perfseer.graphs.onnx.patterns import recognise
from perfseer.graphs.perfgraph import PerfGraph

FORWARD_ONLY = (
    "An ONNX file holds the forward pass; the backward pass is what PyTorch does for the same operators."
)


@dataclass(frozen=True)
class OnnxReading:
    """A file that was read and is ready to be captured.

    Attributes:
        inputs: as declared.
        notes: how the file was read, where that is not plain.
        model: its operators, patterns recognised.
    """

    inputs: tuple[DeclaredInput, ...]
    notes: tuple[str, ...]
    model: OnnxModel

    def graph(
        self,
        *,
        batch_size: int | None = None,
        input_shapes: Mapping[str, Sequence[int]] | None = None,
        backward: bool = False,
    ) -> PerfGraph:
        """The graph at one input; see `read_onnx`."""
        shapes = input_shapes_of(self.inputs, batch_size, input_shapes or {})
        declared = _declared_batch(self.inputs)
        module = OnnxModule(self.model)
        batch = shapes[0][0] if shapes and shapes[0] else 1
        if declared is not None and batch != declared:
            return _rebatched(self, module, shapes, declared, backward)
        return _captured(module, self.inputs, shapes, backward)


def open_onnx(path: str | Path, *, restore_batch_norm: bool = True) -> OnnxReading:
    """Read a file without capturing it; cheap, so that its inputs can be looked at.

    Args:
        path: an ONNX file; weights in files beside it are not opened.
        restore_batch_norm: whether batch norms that the exporter folded into convolutions are put back, as
            the network was; PyTorch's exporters fold them unless told to export for training.

    Raises:
        PerfseerError: the file is not ONNX or is broken; the message says how.
    """
    model = recognise(parse(Path(path)), restore_batch_norm=restore_batch_norm)
    require(bool(model.graph.nodes), f"{path}: the graph has no operators")
    return OnnxReading(model.graph.inputs, model.notes, model)


def read_onnx(
    path: str | Path,
    *,
    batch_size: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    backward: bool = False,
    restore_batch_norm: bool = True,
) -> PerfGraph:
    """Read an ONNX file into a PerfGraph, without its weights.

    Args:
        path: the file; opsets 7 and later.
        batch_size: samples: the first dimension of every input whose first dimension the file leaves open or
            that is the file's batch. None for the file's own, or 1.
        input_shapes: whole shapes, batch included, by input; needed where the file leaves more open.
        backward: whether to trace a training step too, which is what PyTorch does for these operators.
        restore_batch_norm: see `open_onnx`.

    Returns:
        The graph as `capture` gives it for the same network. Operators without counterpart in PyTorch are
        ``other`` and counted in ``unknown``.

    Raises:
        PerfseerError: the file is broken, declares other shapes, or has shapes that depend on data.
    """
    reading = open_onnx(path, restore_batch_norm=restore_batch_norm)
    return reading.graph(batch_size=batch_size, input_shapes=input_shapes, backward=backward)


def input_shapes_of(
    inputs: Sequence[DeclaredInput], batch_size: int | None, given: Mapping[str, Sequence[int]]
) -> list[tuple[int, ...]]:
    """Shape of every input.

    Raises:
        PerfseerError: one is open, given for no input, or contradicts the file.
    """
    unknown = [name for name in given if name not in {value.name for value in inputs}]
    names = ", ".join(value.name for value in inputs)
    require(not unknown, f"no input is called {', '.join(map(repr, unknown))}; the file has {names}")
    require(batch_size is None or batch_size >= 1, f"the batch size must be at least 1, given {batch_size}")
    declared = _declared_batch(inputs)
    return [_shape_of(value, batch_size, declared, given.get(value.name)) for value in inputs]


def _declared_batch(inputs: Sequence[DeclaredInput]) -> int | None:
    """The batch size a file is fixed to: the first dimension of its first input of more than one."""
    for value in inputs:
        if value.shape is not None and len(value.shape) > 1:
            return value.shape[0] if isinstance(value.shape[0], int) else None
    return None


def _shape_of(
    value: DeclaredInput, batch_size: int | None, declared: int | None, given: Sequence[int] | None
) -> tuple[int, ...]:
    if given is not None:
        return _checked(value, tuple(int(size) for size in given))
    if value.shape is None:
        raise PerfseerError(f"the file does not say the shape of input {value.name!r}; give it")
    shape = list(value.shape)
    if shape and (not isinstance(shape[0], int) or shape[0] == declared):
        shape[0] = batch_size or (shape[0] if isinstance(shape[0], int) else 1)
    still_open = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    if still_open:
        raise PerfseerError(
            f"input {value.name!r} is {value.shape_text} with dimension {still_open[0]} open: give its shape"
        )
    return tuple(int(size) for size in shape if size is not None)


def _checked(value: DeclaredInput, shape: tuple[int, ...]) -> tuple[int, ...]:
    require(all(size >= 1 for size in shape), f"input {value.name!r}: the shape {shape} is not positive")
    fits = value.shape is None or (
        len(value.shape) == len(shape)
        and all(
            axis == 0 or not isinstance(old, int) or old == new
            for axis, (old, new) in enumerate(zip(value.shape, shape, strict=True))
        )
    )
    require(
        fits,
        f"input {value.name!r} is declared {value.shape_text}, given {'x'.join(map(str, shape))}; export the "
        "model at the other shape, or with dynamic dimensions",
    )
    return shape


def _captured(
    module: OnnxModule, inputs: Sequence[DeclaredInput], shapes: Sequence[tuple[int, ...]], backward: bool
) -> PerfGraph:
    tensors = tuple(_tensor(value, shape) for value, shape in zip(inputs, shapes, strict=True))
    try:
        return capture(module, tensors, backward=backward)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the graph has sizes that no memory has room for: {error}") from error
    except RecursionError as error:
        raise PerfseerError("the graph nests too deeply") from error


def _tensor(value: DeclaredInput, shape: tuple[int, ...]) -> Tensor:
    return empty(shape, torch.float32 if value.dtype == "undeclared" else torch_type(value.dtype))


def _rebatched(
    reading: OnnxReading, module: OnnxModule, shapes: list[tuple[int, ...]], declared: int, backward: bool
) -> PerfGraph:
    """At a batch size other than the file's, where all work grows with it."""
    batch = shapes[0][0]
    require(
        batch % declared == 0,
        f"the file is exported for a batch of {declared}; {batch} is no multiple of it: export the model "
        "with a dynamic batch dimension",
    )
    ours = [(declared, *shape[1:]) if shape[:1] == (batch,) else shape for shape in shapes]
    rebatching = module.rebatching
    rebatching.mode, rebatching.declared, rebatching.ratio = "learn", declared, batch // declared
    before = _captured(module, reading.inputs, ours, backward=False)
    rebatching.mode = "apply"
    after = _captured(module, reading.inputs, shapes, backward)
    grown = before.n_nodes == after.n_nodes and (before.flops * rebatching.ratio == after.flops).all()
    require(
        bool(grown),
        f"the file is exported for a batch of {declared} and does not run in the same way with {batch}: "
        "export the model with a dynamic batch dimension",
    )
    return after
