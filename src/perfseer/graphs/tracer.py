"""The dispatch mode that turns a stream of ATen calls into nodes, edges and memory events.

A tensor is known by its storage, so views cost nothing and pass their producer on, and an in-place operator
becomes the new producer of what it wrote. Work of the backward pass goes to the forward node whose autograd
function runs it: autograd numbers its functions in the order of the forward pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from perfseer.graphs.attention import attend
from perfseer.graphs.costs import nchw, tensor_bytes
from perfseer.graphs.facts import Facts, facts_of
from perfseer.graphs.operators import NO_HYPERPARAMETERS
from perfseer.graphs.trace import NO_OWNER, BackwardRecord, NodeRecord, Trace, drop_saved_copies

_ATTENTION = facts_of(torch.ops.aten.scaled_dot_product_attention.default)
_LAST_SEQUENCE = 2**63  # autograd gives gradient accumulation the largest number there is


class Tracer(TorchDispatchMode):
    """Records the ATen calls of a forward and, after `end_forward`, of a loss and a backward pass.

    Args:
        weights: storages of parameters and buffers, by address.
        training: whether dropout masks and statistics updates are to be told from the model's own work.
    """

    def __init__(self, weights: Mapping[int, Any], *, training: bool) -> None:
        super().__init__()
        self.trace = Trace()
        self._weights = weights
        self._training = training
        self._in_forward = True
        self._keep: dict[int, Any] = dict(weights)  # storages stay alive, so addresses are not reused
        self._same: dict[int, int] = {}  # dropout's output is its input
        self._producer: dict[int, int] = {}
        self._noise: set[int] = set()
        self._moment = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one ATen call, or the rule that stands for it, and record it."""
        facts = facts_of(func)
        kwargs = kwargs or {}
        if facts.silent:
            return func(*args, **kwargs)
        if facts.composite:
            with self:
                return (
                    attend(self, *args, **kwargs) if facts is _ATTENTION else func.decompose(*args, **kwargs)
                )
        tensors = list(_tensors(args)) if not kwargs else [*_tensors(args), *_tensors(tuple(kwargs.values()))]
        if any(not t.is_meta for t in tensors) and any(t.is_meta for t in tensors):
            args = self._on_meta(args)
            tensors = list(_tensors(args))
        out = NotImplemented if facts.shape_rule is None else facts.shape_rule(args)
        if out is NotImplemented:
            out = func(*args, **kwargs)
        flops = 0 if facts.flops is None else facts.flops(args, kwargs, out)
        self._moment += 1
        if not self._in_forward:
            written = [args[position] for position in facts.mutated] or list(_tensors((out,)))
            self._record_backward(tensors, written, flops)
        elif not self._record_train_only(facts, tensors, args, out):
            self._record_node(facts, tensors, args, out, flops)
        return out

    # -- forward ----------------------------------------------------------------------------------------

    def _record_node(
        self, facts: Facts, tensors: list[Tensor], args: Sequence[Any], out: Any, flops: int
    ) -> None:
        index = len(self.trace.nodes)
        read = [t for t in tensors if t is not args[0]] if facts.overwrites and tensors else tensors
        input_bytes, weight_bytes = self._read(read, index)
        written = [args[position] for position in facts.mutated] or list(_tensors((out,)))
        if facts.mutated:
            self._link_partial(facts, written, index)
        operator, values = facts.operator, NO_HYPERPARAMETERS
        if facts.describe is not None:
            positions = (i for i, a in enumerate(args) if isinstance(a, Tensor))
            weights = frozenset(i for i in positions if self._raw(args[i]) in self._weights)
            operator, values = facts.describe(args, weights)
        output_bytes = self._write(written[:1] if facts.one_output else written, index)
        if facts.one_output:
            self._statistics(args, written[1:])
        storage = self._root(written[0])
        shape = nchw(written[0].shape)
        self.trace.nodes.append(
            NodeRecord(
                facts.name, operator, values, shape, flops, input_bytes, weight_bytes, output_bytes, storage
            )
        )
        self._event(index)

    def _read(self, tensors: Sequence[Tensor], index: int) -> tuple[int, int]:
        """Activation and weight bytes of the distinct tensors; an edge for each that has a producer."""
        trace, moment = self.trace, self._moment
        seen: set[tuple[int, int, torch.Size]] = set()
        input_bytes = weight_bytes = 0
        for tensor in tensors:
            raw = self._raw(tensor)
            root = self._same.get(raw, raw)
            key = (root, tensor.storage_offset(), tensor.shape)
            if key in seen:
                continue
            seen.add(key)
            nbytes = tensor_bytes(tensor)
            if raw in self._weights:
                weight_bytes += nbytes
            else:
                input_bytes += nbytes
                trace.inference.read(root, moment)
                trace.training.read(raw, moment)
            if root in self._producer:
                trace.edges.append((self._producer[root], index, nbytes, nchw(tensor.shape)))
        return input_bytes, weight_bytes

    def _write(self, tensors: Sequence[Tensor], index: int) -> int:
        """Bytes written; the node becomes the producer of what it wrote."""
        total = 0
        for tensor in tensors:
            raw = self._raw(tensor)
            root = self._same.get(raw, raw)
            self._producer[root] = index
            total += tensor_bytes(tensor)
            if raw not in self._weights:
                nbytes = tensor.untyped_storage().nbytes()
                self.trace.inference.write(root, self._moment, nbytes)
                self.trace.training.write(raw, self._moment, nbytes)
        return total

    def _link_partial(self, facts: Facts, targets: Sequence[Tensor], index: int) -> None:
        """Overwriting part of a tensor still depends on whoever wrote the rest."""
        for target in targets if facts.overwrites else ():
            root = self._root(target)
            part = target.numel() * target.itemsize < target.untyped_storage().nbytes()
            if part and root in self._producer:
                edge = (self._producer[root], index, tensor_bytes(target), nchw(target.shape))
                self.trace.edges.append(edge)

    def _statistics(self, args: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Batch norm in training keeps the batch's statistics and updates the running ones."""
        if not self._training:
            return
        running = [a for a in args[3:5] if isinstance(a, Tensor)]
        self.trace.train_only_bytes += sum(tensor_bytes(t) for t in (*outputs, *running))
        for tensor in outputs:
            self.trace.training.write(self._raw(tensor), self._moment, tensor.untyped_storage().nbytes())

    def _event(self, owner: int) -> None:
        self.trace.sequences.append(torch.autograd._get_sequence_nr())
        self.trace.owners.append(owner)

    # -- work that only training does -------------------------------------------------------------------

    def _record_train_only(self, facts: Facts, tensors: list[Tensor], args: Sequence[Any], out: Any) -> bool:
        """Dropout and the counting of batches; False if the call is the model's own work."""
        raws = [self._raw(t) for t in tensors]
        if facts.mutated and raws and all(raw in self._weights for raw in raws):
            self._owe(tensors, [args[position] for position in facts.mutated])
            return True
        if not self._training or not (facts.noise or (self._noise and self._noise.intersection(raws))):
            return False
        written = [args[position] for position in facts.mutated] or list(_tensors((out,)))
        clean = [
            t for t, raw in zip(tensors, raws, strict=True) if raw not in self._noise | self._weights.keys()
        ]
        if facts.mutated and facts.noise:
            clean = []
        self._owe(tensors, written)
        if clean:
            self._pass_through(clean[0], written)
        else:
            self._noise.update(self._raw(t) for t in written)
        return True

    def _pass_through(self, source: Tensor, written: Sequence[Tensor]) -> None:
        root = self._root(source)
        raw = self._raw(written[0])
        if raw != root:
            self._same[raw] = root
        self._noise.update(self._raw(t) for t in written[1:])

    def _owe(self, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """Book an event that belongs to no node."""
        if not self._training:
            return
        self.trace.train_only_bytes += sum(map(tensor_bytes, read)) + sum(map(tensor_bytes, written))
        self._move(read, written)
        self._event(NO_OWNER)

    # -- backward and fused operators -------------------------------------------------------------------

    def _record_backward(self, read: Sequence[Tensor], written: Sequence[Tensor], flops: int) -> None:
        nbytes = sum(map(tensor_bytes, _distinct(read))) + sum(map(tensor_bytes, written))
        self._move(read, written)
        self.trace.backward.append(BackwardRecord(_current_sequence(), nbytes, flops))

    def record_attention(self, operands: Sequence[Tensor], out: Tensor, flops: int) -> None:
        """Fused attention ran; see `perfseer.graphs.attention`."""
        self._moment += 1
        self._record_node(_ATTENTION, list(operands), operands, out, flops)

    def record_attention_backward(
        self, read: Sequence[Tensor], gradients: Sequence[Tensor], flops: int
    ) -> None:
        """The backward pass of fused attention ran."""
        self._moment += 1
        self._record_backward(read, gradients, flops)

    def _move(self, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """Memory events of an operator outside the forward nodes."""
        for tensor in read:
            self.trace.training.read(self._raw(tensor), self._moment)
        for tensor in written:
            raw = self._raw(tensor)
            if raw not in self._weights:
                self.trace.training.write(raw, self._moment, tensor.untyped_storage().nbytes())

    # -- ends of the phases -----------------------------------------------------------------------------

    def end_forward(self, outputs: Sequence[Tensor]) -> None:
        """The forward pass is over; ``outputs`` are the model's and stay alive in inference."""
        self.trace.forward_end = torch.autograd._get_sequence_nr()
        self._in_forward = False
        self._moment += 1
        roots = {self._root(t) for t in outputs}
        for root in roots:
            self.trace.inference.read(root, self._moment)
        if self._training:
            drop_saved_copies(self.trace, roots)

    def end_backward(self, gradients: Sequence[Tensor]) -> None:
        """The backward pass is over; the parameters' gradients stay alive."""
        self._moment += 1
        for gradient in gradients:
            self.trace.training.read(self._raw(gradient), self._moment)

    # -- storages ---------------------------------------------------------------------------------------

    def _raw(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address not in self._keep:
            self._keep[address] = storage
        return address

    def _root(self, tensor: Tensor) -> int:
        raw = self._raw(tensor)
        return self._same.get(raw, raw)

    def _on_meta(self, args: Sequence[Any]) -> list[Any]:
        """Constants that live on another device join the trace as meta tensors of the same identity."""
        return [self._constant(arg) if isinstance(arg, Tensor) else arg for arg in args]

    def _constant(self, tensor: Tensor) -> Tensor:
        if tensor.is_meta or tensor.dim() == 0:
            return tensor
        twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        self._same[self._raw(twin)] = self._root(tensor)
        return twin


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    """Tensors among the values, looking into lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _distinct(tensors: Sequence[Tensor]) -> list[Tensor]:
    return list({(t.untyped_storage()._cdata, t.storage_offset(), t.shape): t for t in tensors}.values())


def _current_sequence() -> int:
    node = torch._C._current_autograd_node()
    sequence = NO_OWNER if node is None else int(node._sequence_nr())
    return sequence if sequence < _LAST_SEQUENCE else NO_OWNER
