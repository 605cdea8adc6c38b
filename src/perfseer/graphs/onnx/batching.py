"""A file exported with a fixed batch size, run with another one.

Exporters that fix the batch write it into the targets of Reshape and Expand. Run once as declared, such a
target is known to stand for a shape whose one dimension carries the batch: the one behind as many elements
as the batch dimension of what is reshaped. `reader` checks afterwards that all work grew in proportion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.onnx.calls import Call, Fact, Handler, as_tensor
from perfseer.graphs.onnx.model import OnnxNode

Shape = tuple[int, ...]


@dataclass
class Rebatching:
    """What is remembered between the run as declared and the run at another batch size.

    Attributes:
        mode: ``off``, ``learn`` during the run as declared, ``apply`` afterwards.
        ratio: batch size over the declared one.
        declared: batch size in the file.
        shapes: shape before and after each Reshape and Expand, as declared.
    """

    mode: str = "off"
    ratio: int = 1
    declared: int = 1
    shapes: dict[OnnxNode, tuple[Shape, Shape]] = field(default_factory=dict)

    def run(self, handler: Handler, call: Call) -> Any:
        """Run a call, its literal target adapted."""
        if self.mode == "off" or call.node.op not in ("Reshape", "Expand", "Concat"):
            return handler(call)
        if self.mode == "apply":
            return handler(self._adapted(call))
        result: Any = handler(call)
        self.shapes[call.node] = (tuple(call.tensor(0).shape), tuple(result.shape))
        return result

    def prepared(self, call: Call) -> Call:
        """A call on a constant for the declared batch that is expanded to this one, from its first sample.

        Such as a recurrent layer's first state, whose samples are alike.
        """
        if self.mode != "apply" or self.declared == 1 or call.node.op != "Expand":
            return call
        source, target = call.inputs[:2]
        if source is None or not isinstance(target, Fact):
            return call
        own: Any = source.values if isinstance(source, Fact) else source
        values = own
        sizes = target.values.reshape(-1).tolist()
        for axis in range(-min(values.ndim, len(sizes)), 0):
            if values.shape[axis] == self.declared and sizes[axis] == self.declared * self.ratio:
                values = values[(..., slice(0, 1), *[slice(None)] * (-1 - axis))]
        if values is own:
            return call
        return replace(call, inputs=[values if isinstance(values, Tensor) else Fact(values), target])

    def _adapted(self, call: Call) -> Call:
        if call.node.op == "Concat":
            return self._repeated(call)
        before, after = self.shapes[call.node]
        now = tuple(call.tensor(0).shape)
        if now == before and call.node.op == "Reshape":
            return call
        if call.node.op == "Expand":
            return self._expanded(call, before, after)
        return replace(call, reshaped=scaled(before, after, now, self.ratio, self.declared))

    def _expanded(self, call: Call, before: Shape, after: Shape) -> Call:
        """What does not depend on the data is expanded to the batch, if it was to the declared one.

        A batch of one expands nothing: there, broadcasting and joining do it.
        """
        if self.declared > 1 and after[:1] == (self.declared,) and before[:1] in ((1,), (self.declared,)):
            return replace(call, reshaped=(after[0] * self.ratio, *after[1:]))
        return call

    def _repeated(self, call: Call) -> Call:
        """Constants joined to data: as many as there are samples."""
        batch = self.declared * self.ratio
        tensors = [as_tensor(value) for value in call.inputs if value is not None]
        if call.node.integer("axis", 1) == 0 or not any(t.dim() and t.shape[0] == batch for t in tensors):
            return call
        inputs = [
            t[:1].expand(batch, *t.shape[1:])
            if t.dim() and t.shape[0] == self.declared and not isinstance(v, Fact)
            else v
            for t, v in zip(tensors, call.inputs, strict=True)
        ]
        return replace(call, inputs=inputs)


def scaled(before: Shape, after: Shape, now: Sequence[int], ratio: int, declared: int = 1) -> Shape:
    """The target of a Reshape at another batch size.

    Args:
        before: shape of the input as declared.
        after: shape of the output as declared.
        now: shape of the input; one dimension is ``ratio`` times as large.
        ratio: batch size over the declared one.
        declared: batch size in the file.

    Raises:
        PerfseerError: the batch is in no single dimension.

    >>> scaled((197, 1, 768), (197, 12, 64), (197, 8, 768), 8)
    (197, 96, 64)
    >>> scaled((32, 64), (32, 1, 64), (256, 64), 8)
    (32, 8, 64)
    >>> scaled((6, 2, 4, 4), (12, 16), (6, 8, 4, 4), 4, 2)
    (48, 16)
    """
    moved = [axis for axis, (old, new) in enumerate(zip(before, now, strict=True)) if old != new]
    if len(moved) == 1 and now[moved[0]] == before[moved[0]] * ratio:
        axis = _batch_axis(after, prod(before[: moved[0]]), before[moved[0]], declared)
        if axis is not None:
            return (*after[:axis], after[axis] * ratio, *after[axis + 1 :])
    raise PerfseerError(f"a Reshape from {before} to {after} mixes the batch with other dimensions")


def _batch_axis(shape: Shape, ahead: int, size: int, declared: int) -> int | None:
    """The dimension of a target that carries the batch.

    Args:
        shape: the target as declared.
        ahead: elements ahead of the dimension of the input that carries it.
        size: of that dimension.
        declared: batch size in the file.
    """
    starts = [axis for axis in range(len(shape)) if prod(shape[:axis]) == ahead]
    if not starts:  # joined to what is before it, as attention does with [length, batch, heads, channels]
        ends = [prod(shape[: axis + 1]) for axis in range(len(shape))]
        joined = (axis for axis, end in enumerate(ends) if end >= ahead * size)
        axis = next(joined, None)
        whole = axis is not None and ends[axis] % (ahead * size) == 0 and ahead % prod(shape[:axis]) == 0
        return axis if whole else None
    first = starts[0]
    # channels come last, and the batch is joined to what is before it rather than to them
    if 0 < first == len(shape) - 1:
        return first - 1
    # one dimension split into several: the one as large as the batch
    split = [axis for axis in range(first, len(shape)) if prod(shape[first : axis + 1]) <= size]
    return next((axis for axis in split if shape[axis] == declared), first)
