"""Exported programs to PerfGraphs."""

from collections.abc import Mapping, Sequence

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import declared_batch, empty_inputs, input_shapes_of
from perfseer.graphs.exported.module import ExportedModule
from perfseer.graphs.exported.program import Program
from perfseer.graphs.perfgraph import PerfGraph


def program_graph(
    program: Program,
    *,
    batch_size: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    backward: bool = False,
) -> PerfGraph:
    """The graph of a program saved by `torch.export.save`, without its weights.

    Args:
        program: as read.
        batch_size: samples, where the program was exported with a dynamic batch dimension; else its own.
        input_shapes: whole shapes by input, where it was exported with further dynamic dimensions.
        backward: whether to trace a training step too.

    Raises:
        PerfseerError: it does not run at these shapes.
    """
    shapes = input_shapes_of(program.inputs, batch_size, input_shapes or {})
    fixed = declared_batch(program.inputs)
    batch = shapes[0][0] if shapes and shapes[0] else 1
    require(
        fixed is None or fixed == batch,
        f"the program is exported for a batch of {fixed}, given {batch}: export it with dynamic_shapes for "
        "the batch dimension",
    )
    try:
        return capture(ExportedModule(program), empty_inputs(program.inputs, shapes), backward=backward)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the program has sizes that no memory has room for: {error}") from error
