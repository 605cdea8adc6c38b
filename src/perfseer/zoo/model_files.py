"""Models in files: what a file is, by its content, and the graph of what it holds.

======================  ==================================================================================
``onnx``                an ONNX model, exported by anything (`perfseer.graphs.onnx`)
``exported_program``    a program of `torch.export.save`
``architecture``        a network of the search space, from its description as JSON
======================  ==================================================================================

Weights alone (checkpoints, safetensors) are no model: they are told and refused, and nothing is unpickled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perfseer.graphs.onnx.model import DeclaredInput
from perfseer.graphs.perfgraph import PerfGraph

ModelFileKind = Literal["onnx", "exported_program", "architecture"]
# Shape of one sample of the first input (None: as declared), batch size (None: as declared), backward pass.
GraphMaker = Callable[[Sequence[int] | None, int | None, bool], PerfGraph]


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
                None where the file declares it.
            batch_size: samples; None for the number the file declares, or 1 where it leaves it open.
            backward: whether to trace a training step, see `perfseer.graphs.capture.capture`.

        Raises:
            PerfseerError: the file declares other shapes, leaves one open that is not given, or cannot run.
        """
        return self._make(input_shape, batch_size, backward)
