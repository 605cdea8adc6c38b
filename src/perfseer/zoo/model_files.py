"""Models in files: what a file is, by its content, and the graph of what it holds.

======================  ==================================================================================
``onnx``                an ONNX model, exported by anything (`perfseer.graphs.onnx`)
``exported_program``    a program of `torch.export.save` (`perfseer.graphs.exported`)
``architecture``        a network of the search space, from its description as JSON
======================  ==================================================================================

Weights alone (checkpoints, safetensors) are no model, and TorchScript cannot be read without running what it
contains: they are told and refused. Nothing is ever unpickled.
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import DeclaredInput, declared_batch, empty
from perfseer.graphs.exported.module import program_graph
from perfseer.graphs.exported.program import program_json, read_program
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.onnx.wire import looks_like_onnx
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.zoo.builder import build
from perfseer.zoo.space import ArchitectureSpec

ModelFileKind = Literal["onnx", "exported_program", "architecture"]
# Shape of one sample of the first input (None: as declared), batch size (None: as declared), backward pass.
GraphMaker = Callable[[Sequence[int] | None, int | None, bool], PerfGraph]

EXPECTED = "an ONNX model, a program of torch.export.save, or a zoo description as JSON"
_CHECKPOINT = (
    "holds weights (a checkpoint), not a model, and is not unpickled: build the model in Python and name it "
    "as module:package.attr, or export it to ONNX"
)
_SPEC_BYTES = 1024 * 1024
_HEADER_BYTES = 16
# Formats told by how they begin, and what to do with each: (offset, bytes, advice).
_REFUSED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF", "is an HDF5 file (Keras?): convert the model to ONNX with tf2onnx"),
    (4, b"TFL3", "is a TensorFlow Lite model: convert it to ONNX with tf2onnx"),
    (0, b"GGUF", "holds weights in the GGUF format, not a model: export the model to ONNX"),
    *((0, bytes([0x80, pickle_protocol]), _CHECKPOINT) for pickle_protocol in (2, 3, 4, 5)),
    (8, b'{"', "holds weights (safetensors), not a model: name the model as module:package.attr"),
)
FIXED_BATCH = (
    "The file is exported for a batch of {}; at other batch sizes its shapes are scaled, and refused where "
    "the work does not grow in proportion."
)


@dataclass(frozen=True)
class ModelFile:
    """A model in a file, looked at but not yet captured.

    Attributes:
        path: the file.
        kind: what it is.
        name: the file's name without its ending.
        declared_inputs: inputs as the file declares them; none where it does not.
        notes: what a reader of predictions should know, in whole sentences.
    """

    path: Path
    kind: ModelFileKind
    name: str
    declared_inputs: tuple[DeclaredInput, ...]
    notes: tuple[str, ...]
    _make: GraphMaker = field(repr=False, compare=False)

    def graph(
        self,
        input_shape: Sequence[int] | None = None,
        *,
        batch_size: int | None = None,
        backward: bool = True,
    ) -> PerfGraph:
        """The graph at one input.

        Args:
            input_shape: shape of one sample of the first input, without the batch: (3, 224, 224) or (128,).
                None where the file declares it. Symbols it gives a size to have that size in all inputs.
            batch_size: samples; None for the number the file declares, or 1 where it leaves it open.
            backward: whether to trace a training step, see `perfseer.graphs.capture.capture`.

        Raises:
            PerfseerError: the file declares other shapes, leaves one open that is not given, or cannot run.
        """
        try:
            return self._make(input_shape, batch_size, backward)
        except PerfseerError as error:
            raise PerfseerError(f"{self.path}: {error}") from error


def load_model_file(path: str | Path, *, restore_batch_norm: bool = True) -> ModelFile:
    """Look at a model in a file; the ending of its name plays no part.

    Args:
        path: a file.
        restore_batch_norm: see `perfseer.graphs.onnx.reader.open_onnx`.

    Raises:
        PerfseerError: the file is not there, holds no model, or is broken.
    """
    path = Path(path)
    require(path.exists(), f"there is no file {path}")
    require(path.is_file(), f"{path} is not a file; expected {EXPECTED}")
    try:
        kind = _kind_of(path)
    except OSError as error:
        raise PerfseerError(f"cannot read {path}: {error.strerror or error}") from error
    if kind == "onnx":
        return _onnx(path, restore_batch_norm)
    return _exported_program(path) if kind == "exported_program" else _architecture(path)


def _kind_of(path: Path) -> ModelFileKind:
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if header.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path)
    for offset, mark, advice in _REFUSED:
        if header[offset : offset + len(mark)] == mark:
            raise PerfseerError(f"{path} {advice}")
    if header.lstrip()[:1] == b"{":
        return "architecture"
    if looks_like_onnx(path):
        return "onnx"
    raise PerfseerError(f"{path} holds no model that can be read; expected {EXPECTED}")


def _kind_of_archive(path: Path) -> ModelFileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise PerfseerError(f"{path} is a broken archive: {error}") from error
    if program_json(names) is not None:
        return "exported_program"
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise PerfseerError(
            f"{path} is TorchScript, which cannot be read without running it: export the model again with "
            "torch.export.save or to ONNX"
        )
    if any(name.endswith("data.pkl") for name in names):
        raise PerfseerError(f"{path} {_CHECKPOINT}")
    raise PerfseerError(f"{path} is an archive without a model that can be read; expected {EXPECTED}")


def _onnx(path: Path, restore_batch_norm: bool) -> ModelFile:
    reading = open_onnx(path, restore_batch_norm=restore_batch_norm)
    return _with_inputs(path, "onnx", reading.inputs, reading.graph, FIXED_BATCH, reading.notes)


def _exported_program(path: Path) -> ModelFile:
    program = read_program(path)
    graph = partial(program_graph, program)
    return _with_inputs(path, "exported_program", program.inputs, graph, FIXED_BATCH, program.notes)


def _with_inputs(
    path: Path,
    kind: ModelFileKind,
    inputs: tuple[DeclaredInput, ...],
    graph: Callable[..., PerfGraph],
    fixed: str,
    notes: tuple[str, ...] = (),
) -> ModelFile:
    """A file that declares its inputs; ``fixed`` is noted where it fixes the batch."""

    def make(input_shape: Sequence[int] | None, batch_size: int | None, backward: bool) -> PerfGraph:
        shapes = _whole_shapes(inputs, input_shape, batch_size)
        return graph(batch_size=batch_size, input_shapes=shapes, backward=backward)

    declared = declared_batch(inputs)
    notes = notes if declared is None else (*notes, fixed.format(declared))
    return ModelFile(path, kind, path.stem, inputs, notes, make)


def _architecture(path: Path) -> ModelFile:
    with path.open("rb") as file:
        content = file.read(_SPEC_BYTES + 1)
    require(len(content) <= _SPEC_BYTES, f"{path} is too large for a zoo description")
    try:
        spec = ArchitectureSpec.from_json(content.decode("utf-8"))
    except (PerfseerError, UnicodeDecodeError, RecursionError) as error:
        raise PerfseerError(f"{path} is no zoo description: {error}") from error
    with torch.device("meta"):
        network = build(spec)

    def make(input_shape: Sequence[int] | None, batch_size: int | None, backward: bool) -> PerfGraph:
        if input_shape is None:
            raise PerfseerError(
                "a zoo description has no resolution: give the input shape, such as 3x224x224"
            )
        shape = (1 if batch_size is None else batch_size, *input_shape)
        return capture(network, (empty(shape, torch.float32),), backward=backward)

    return ModelFile(path, "architecture", path.stem, (), (), make)


def _whole_shapes(
    inputs: Sequence[DeclaredInput], input_shape: Sequence[int] | None, batch_size: int | None
) -> Mapping[str, Sequence[int]]:
    """The first input's shape with its batch, by name."""
    if input_shape is None:
        return {}
    require(bool(inputs), "the model takes no input, so none can be given a shape")
    batch = batch_size or declared_batch(inputs) or 1
    return {inputs[0].name: (batch, *input_shape)}
