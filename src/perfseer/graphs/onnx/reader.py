"""ONNX files to PerfGraphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import DeclaredInput, declared_batch, empty_inputs, input_shapes_of
from perfseer.graphs.onnx.contents import Contents
from perfseer.graphs.onnx.model import OnnxModel
from perfseer.graphs.onnx.module import OnnxModule
from perfseer.graphs.onnx.parsing import parse
from perfseer.graphs.onnx.patterns import recognise
from perfseer.graphs.perfgraph import PerfGraph


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
        """The graph at one input, without weights.

        Args:
            batch_size: samples: the first dimension of every input whose first dimension the file leaves open
                or that is the file's batch. None for the file's own, or 1.
            input_shapes: whole shapes, batch included, by input; needed where the file leaves more open.
            backward: whether to trace a training step too, which is what PyTorch does for these operators.

        Returns:
            The graph as `capture` gives it for the same network. Operators without counterpart in PyTorch are
            ``other`` and counted in ``unknown``.

        Raises:
            PerfseerError: the file is broken, declares other shapes, or has shapes that depend on data.
        """
        shapes = input_shapes_of(self.inputs, batch_size, input_shapes or {})
        declared = declared_batch(self.inputs)
        module = OnnxModule(self.model)
        batch = shapes[0][0] if shapes and shapes[0] else 1
        if declared is not None and batch != declared:
            return _rebatched(self, module, shapes, declared, backward)
        return _captured(module, self.inputs, shapes, backward)


def open_onnx(path: str | Path, *, restore_batch_norm: bool = True) -> OnnxReading:
    """Read a file without capturing it; cheap, so that its inputs can be looked at.

    Args:
        path: an ONNX file, opset 7 or later; weights in files beside it are not opened.
        restore_batch_norm: whether batch norms that the exporter folded into convolutions are put back, as
            the network was; PyTorch's exporters fold them unless told to export for training.

    Raises:
        PerfseerError: the file is not ONNX or is broken; the message says how.
    """
    path = Path(path)
    model = recognise(parse(path), Contents(path), restore_batch_norm=restore_batch_norm)
    require(bool(model.graph.nodes), f"{path}: the graph has no operators")
    return OnnxReading(model.graph.inputs, model.notes, model)


def _captured(
    module: OnnxModule, inputs: Sequence[DeclaredInput], shapes: Sequence[tuple[int, ...]], backward: bool
) -> PerfGraph:
    tensors = empty_inputs(inputs, shapes)
    try:
        graph = capture(module, tensors, backward=backward)
        return replace(graph, notes=(*graph.notes, *module.notes))
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the graph has sizes that no memory has room for: {error}") from error
    except RecursionError as error:
        raise PerfseerError("the graph nests too deeply") from error


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
    try:
        after = _captured(module, reading.inputs, shapes, backward)
    except PerfseerError as error:
        raise PerfseerError(f"{_fixed(declared, batch)}: {error}") from error
    require(before.total_flops * rebatching.ratio == after.total_flops, _fixed(declared, batch))
    return after


def _fixed(declared: int, batch: int) -> str:
    return (
        f"the file is exported for a batch of {declared} and does not run in the same way with {batch}; "
        "export the model with a dynamic batch dimension"
    )
