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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch

from perfseer.errors import PerfseerError, require
from perfseer.graphs.batch_dimension import fixed_batch
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import DeclaredInput, empty_inputs
from perfseer.graphs.exported.module import run_program
from perfseer.graphs.exported.program import Program, program_json, read_program
from perfseer.graphs.given import CapturedFile, Given, no_batch, resolve, types_of
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.onnx.wire import looks_like_onnx
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.sequences import follow_batch, lengths_seen, look_like
from perfseer.zoo.builder import build
from perfseer.zoo.space import ArchitectureSpec

ModelFileKind = Literal["onnx", "exported_program", "architecture"]
# What a person says of the inputs, and whether to trace the backward pass.
GraphMaker = Callable[[Given, bool], CapturedFile]

EXPECTED = "an ONNX model, a program of torch.export.save, or a zoo description as JSON"
_CHECKPOINT = (
    "holds weights (a checkpoint), not a model, and is not unpickled: build the model in Python and name it "
    "as module:package.attr, or export it to ONNX"
)
# What a network of the search space takes.
_IMAGE = DeclaredInput("x", ("batch", "channels", "height", "width"), "float32")
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
        """As `captured`, and its graph alone.

        Args:
            input_shape: shape of one sample of the first input, without the batch: (3, 224, 224) or (128,).
                None where the file declares it.
            batch_size: samples; None for the number the file declares, or 1 where it leaves it open.
            backward: whether to trace a training step, see `perfseer.graphs.capture.capture`.
        """
        samples = () if input_shape is None else (tuple(input_shape),)
        return self.captured(Given(samples=samples, batch_size=batch_size), backward=backward).graph

    def captured(self, given: Given, *, backward: bool = True) -> CapturedFile:
        """The graph at one input.

        Args:
            given: what is said of its inputs.
            backward: whether to trace a training step, see `perfseer.graphs.capture.capture`.

        Returns:
            The graph, and beside the notes of the file those on what this capture assumed.

        Raises:
            PerfseerError: the file declares other shapes, leaves one open that is not given, or cannot run.
        """
        try:
            return self._make(given, backward)
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

    def make(given: Given, backward: bool) -> CapturedFile:
        return reading.captured(given, backward=backward)

    return _with_inputs(path, "onnx", reading.inputs, make, FIXED_BATCH, reading.notes)


def _exported_program(path: Path) -> ModelFile:
    program = read_program(path)

    def make(given: Given, backward: bool) -> CapturedFile:
        return _captured_program(program, given, backward)

    return _with_inputs(path, "exported_program", program.inputs, make, FIXED_BATCH, program.notes)


def _captured_program(program: Program, given: Given, backward: bool) -> CapturedFile:
    wanted = resolve(program.inputs, given)
    fixed = wanted.declared_batch

    def at(batch_size: int, *, backward: bool = False) -> PerfGraph:
        return run_program(program, wanted.at(batch_size), backward=backward)

    notes: list[str] = []
    if wanted.guessed and _has_sequences(program):
        with lengths_seen() as lengths:
            graph = at(wanted.batch_size, backward=backward)
        if look_like(lengths, wanted.batch_size) and follow_batch(at, fixed or wanted.batch_size):
            # a program that fixes everything has the right shapes all the same
            require(fixed is not None and given.batch_size is None, no_batch(program.inputs))
            notes.append(f"{no_batch(program.inputs)}.")
    else:
        graph = at(wanted.batch_size, backward=backward)
    return CapturedFile(graph, wanted.shapes, types_of(program.inputs, given), tuple(notes))


def _has_sequences(program: Program) -> bool:
    words = ("lstm", "gru", "rnn_", "softmax", "attention")
    return any(word in str(node.get("target")) for node in program.nodes for word in words)


def _with_inputs(
    path: Path,
    kind: ModelFileKind,
    inputs: tuple[DeclaredInput, ...],
    make: GraphMaker,
    fixed: str,
    notes: tuple[str, ...] = (),
) -> ModelFile:
    """A file that declares its inputs; ``fixed`` is noted where it fixes the batch."""

    def noted(declared: int | None) -> tuple[str, ...]:
        return notes if declared is None else (*notes, fixed.format(declared))

    def make_noted(given: Given, backward: bool) -> CapturedFile:
        found = make(given, backward)
        declared = resolve(inputs, given).declared_batch
        return replace(found, notes=(*noted(declared), *found.notes))

    return ModelFile(path, kind, path.stem, inputs, noted(fixed_batch(inputs)), make_noted)


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

    def make(given: Given, backward: bool) -> CapturedFile:
        wanted = resolve((_IMAGE,), given)
        graph = capture(network, empty_inputs((_IMAGE,), wanted.shapes), backward=backward)
        return CapturedFile(graph, wanted.shapes, types_of((_IMAGE,), given))

    return ModelFile(path, "architecture", path.stem, (), (), make)
