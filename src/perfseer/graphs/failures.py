"""Why a model could not be captured, in one sentence that names the line of its code."""

from collections.abc import Sequence

from torch import Tensor, nn

from perfseer.blame import described
from perfseer.graphs.data_dependent import DependsOnDataError

_VALUES = (
    ". Capture runs it on the meta device: check the input shape and that nothing depends on tensor values "
    "(.item(), if)"
)


def explain(module: nn.Module, inputs: Sequence[Tensor], error: BaseException) -> str:
    """Model, input, exception, and where in the model's own code it was raised.

    Args:
        module: the model.
        inputs: what it was given.
        error: what ended its run.
    """
    shapes = ", ".join("x".join(map(str, value.shape)) for value in inputs)
    # others are the model's own faults, which no other input mends
    plain = isinstance(error, RecursionError | DependsOnDataError)
    hint = _VALUES if isinstance(error, RuntimeError) and not plain else ""
    return f"cannot capture {type(module).__name__} with input {shapes}: {described(error)}{hint}"
