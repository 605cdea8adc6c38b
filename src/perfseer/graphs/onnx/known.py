"""Operators on what is known while a model is read: shapes, axes, masks.

Exporters compute shapes by operators (take the shape, pick a dimension, divide, join again, reshape). Where
all arguments of an operator are known so is its result, and no operator runs for it; the same holds for
constants that a compiler would fold.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from perfseer.errors import require
from perfseer.graphs.onnx.calls import Call, Fact, Handler, Value
from perfseer.graphs.onnx.model import Known

# A causal mask over 2,048 tokens has 4 M elements. Beyond that a value is a tensor like any other.
MOST_ELEMENTS = 2**22
# Of all that is known during one run; what comes after that is a tensor too.
MOST_BYTES = 2**29

# What shapes and masks are computed with; constants through other operators run as the network ran them.
_NAMES = (
    "Add Sub Mul Div Pow Neg Abs Sqrt Floor Ceil Round Sign Reciprocal Exp Log Sin Cos Mod Min Max Sum Where"
    " Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor Not IsNaN IsInf Cast ReduceProd ReduceSum"
    " ReduceMax ReduceMin ReduceMean Concat Gather Slice Reshape Squeeze Unsqueeze Transpose Expand Tile"
    " Range Split ConstantOfShape Trilu Flatten"
)
_FOLDED = frozenset(_NAMES.split())


def fold(handler: Handler, call: Call) -> tuple[Value, ...] | None:
    """The results of a call whose arguments are all known; None where it must run.

    Raises:
        PerfseerError: a shape is divided by zero.
        Exception: whatever torch says to arguments that do not go together.
    """
    given = [value for value in call.inputs if isinstance(value, Fact)]
    if call.node.op not in _FOLDED or not given or any(isinstance(value, Tensor) for value in call.inputs):
        return None
    divides = call.node.op in ("Div", "Mod") and given[0].values.dtype.kind in "iu"
    require(not divides or bool(given[-1].values.all()), f"{call.node}: a shape is divided by zero")
    with _disable_current_modes():  # no part of a capture
        if any(value.numel() > MOST_ELEMENTS for value in _results(handler, call)):
            return None
        return tuple(Fact(_numbers(value)) for value in _results(handler, replace(call, is_computed=True)))


def _results(handler: Handler, call: Call) -> Iterator[Tensor]:
    results = handler(call)
    for value in results if isinstance(results, tuple) else (results,):
        if isinstance(value, Tensor):
            yield value


def _numbers(tensor: Tensor) -> Known:
    """As numpy's; types it does not have as fp32."""
    has_type = hasattr(np, str(tensor.dtype).removeprefix("torch."))
    return np.asarray((tensor if has_type else tensor.float()).numpy())
