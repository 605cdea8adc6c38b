"""ONNX files to PerfGraphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import DeclaredInput, empty_inputs
from perfseer.graphs.given import CapturedFile, Given, InputShapes, no_batch, resolve, types_of
from perfseer.graphs.onnx.contents import Contents
from perfseer.graphs.onnx.model import OnnxGraph, OnnxModel
from perfseer.graphs.onnx.module import OnnxModule
from perfseer.graphs.onnx.parsing import parse
from perfseer.graphs.onnx.patterns import recognise
from perfseer.graphs.onnx.weights import is_quantised, weight_types_of
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.sequences import follow_batch, lengths_seen, look_like


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
        """As `captured`, from whole shapes by input alone, and its graph alone."""
        shapes = {name: tuple(shape) for name, shape in (input_shapes or {}).items()}
        return self.captured(Given(shapes=shapes, batch_size=batch_size), backward=backward).graph

    def captured(self, given: Given, *, backward: bool = False) -> CapturedFile:
        """The graph at one input, without weights.

        Args:
            given: shapes, dimensions and the batch, as far as the file leaves them open.
            backward: whether to trace a training step too, which is what PyTorch does for these operators.

        Returns:
            The graph as `capture` gives it for the same network. Operators without counterpart in PyTorch are
            ``other`` and counted in ``unknown``.

        Raises:
            PerfseerError: the file is broken, declares other shapes, has shapes that depend on data, or what
                was taken for the batch is a sequence.
        """
        wanted = resolve(self.inputs, given)
        module = OnnxModule(self.model)
        declared, batch = wanted.declared_batch, wanted.batch_size
        notes: list[str] = []
        if declared is not None and batch != declared:
            graph = _rebatched(self, module, wanted, given, backward)
        elif not given.batch_dims and _has_sequences(self.model.graph, recurrent=not wanted.guessed):
            with lengths_seen() as lengths:
                graph = _captured(module, self.inputs, wanted, given, backward)
            if look_like(lengths, batch) and self._is_sequence(wanted, given):
                # a file that fixes everything has the right shapes all the same
                is_fixed = declared is not None and given.batch_size is None
                require(is_fixed, no_batch(self.inputs))
                notes.append(f"{no_batch(self.inputs)}.")
        else:
            graph = _captured(module, self.inputs, wanted, given, backward)
        graph = replace(graph, batch_size=batch)
        notes += module.notes
        return CapturedFile(
            graph,
            wanted.shapes,
            types_of(self.inputs, given),
            tuple(notes),
            weight_types_of(self.model.graph),
            is_quantised(self.model.graph),
        )

    def _is_sequence(self, wanted: InputShapes, given: Given) -> bool:
        """Whether the dimension that was taken for the batch, because it is the first, is a sequence."""

        def run(batch_size: int) -> None:
            module = OnnxModule(self.model)
            if wanted.declared_batch in (None, batch_size):
                _captured(module, self.inputs, wanted.at(batch_size), given, backward=False)
            else:
                unguessed = replace(wanted.at(batch_size), guessed=False)
                _rebatched(self, module, unguessed, given, backward=False)

        return follow_batch(run, wanted.batch_size)


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
    module: OnnxModule, inputs: Sequence[DeclaredInput], wanted: InputShapes, given: Given, backward: bool
) -> PerfGraph:
    tensors = empty_inputs(inputs, wanted.shapes, given.types)
    try:
        return capture(module, tensors, backward=backward)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the graph has sizes that no memory has room for: {error}") from error
    except RecursionError as error:
        raise PerfseerError("the graph nests too deeply") from error


def _rebatched(
    reading: OnnxReading, module: OnnxModule, wanted: InputShapes, given: Given, backward: bool
) -> PerfGraph:
    """At a batch size other than the file's, where all work grows with it."""
    batch, declared = wanted.batch_size, wanted.declared_batch or 1
    require(
        batch % declared == 0,
        f"the file is exported for a batch of {declared}; {batch} is no multiple of it: export the model "
        "with a dynamic batch dimension",
    )
    rebatching = module.rebatching
    rebatching.mode, rebatching.declared, rebatching.ratio = "learn", declared, batch // declared
    with lengths_seen() as few:
        before = _captured(module, reading.inputs, wanted.at(declared), given, backward=False)
    rebatching.mode = "apply"
    try:
        with lengths_seen() as many:
            after = _captured(module, reading.inputs, wanted, given, backward)
    except PerfseerError as error:
        raise PerfseerError(f"{_fixed(declared, batch)}: {error}") from error
    require(not wanted.guessed or few == many[: len(few)], no_batch(reading.inputs))
    require(before.total_flops * rebatching.ratio == after.total_flops, _fixed(declared, batch))
    return after


def _has_sequences(graph: OnnxGraph, *, recurrent: bool) -> bool:
    """Whether there are recurrent layers, or others that work along a dimension."""
    ops = {node.op for node in graph.nodes}
    others = not recurrent and any("Attention" in op or "Softmax" in op for op in ops)
    return others or not ops.isdisjoint(("LSTM", "GRU", "RNN"))


def _fixed(declared: int, batch: int) -> str:
    return (
        f"the file is exported for a batch of {declared} and does not run in the same way with {batch}; "
        "export the model with a dynamic batch dimension"
    )
