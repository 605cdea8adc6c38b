"""The dispatch mode that turns a stream of ATen calls into nodes, edges and memory events.

A tensor is known by its storage, so views cost nothing and pass their producer on, and an in-place operator
becomes the new producer of what it wrote. Work of the backward pass goes to the forward node whose autograd
function runs it: autograd numbers its functions in the order of the forward pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from perfseer.graphs.attention import ATTENTION, attend
from perfseer.graphs.autocast_policy import without_autocast
from perfseer.graphs.costs import nchw, tensor_bytes
from perfseer.graphs.data_dependent import tell_data_dependent
from perfseer.graphs.facts import Facts, facts_of
from perfseer.graphs.liveness import Ledger
from perfseer.graphs.trace import NO_OWNER, NodeRecord, Trace, drop_saved_copies
from perfseer.graphs.vocabulary import OPERATOR_INDEX, Hyperparameters, hyperparameters

_READS_VALUES = {"_pack_padded_sequence"}  # of constants, on the cpu: how long sequences are
_LAST_SEQUENCE = 2**63  # autograd gives gradient accumulation the largest number there is


class Tracer(TorchDispatchMode):
    """Records the ATen calls of a forward and, after `end_forward`, of a loss and a backward pass.

    Args:
        weights: storages of parameters and buffers, by address.
        inputs: storages of the model's inputs.
        training: whether dropout masks and statistics updates are to be told from the model's own work.
    """

    def __init__(self, weights: Mapping[int, Any], inputs: Sequence[Any], *, training: bool) -> None:
        super().__init__()
        # storages stay alive for the whole trace, so that addresses are not used twice
        self._keep: dict[int, Any] = {**weights, **{storage._cdata: storage for storage in inputs}}
        self.trace = Trace(Ledger(self._keep), Ledger(self._keep))
        self._weights = weights
        self._training = training
        self._cast_weights: set[int] = set()  # what a weight became in another type
        self._in_forward = True
        self._same: dict[int, int] = {}  # dropout's output is its input
        self._producer: dict[int, int] = {}
        self._noise: set[int] = set()  # dropout masks and what is computed from them alone
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
                compose = partial(attend, self) if facts is ATTENTION else func.decompose
                return compose(*args, **kwargs)
        read = [*_tensors(args), *_tensors(kwargs.values())]
        mixed = not all(t.is_meta for t in read) and any(t.is_meta for t in read)
        if mixed and facts.name not in _READS_VALUES:
            args, kwargs = self.joined((args, kwargs))
            read = [*_tensors(args), *_tensors(kwargs.values())]
        # constants on the cpu are computed: a model may look at their values
        rule = facts.shape_rule if read and read[0].is_meta else None
        out = NotImplemented if rule is None else rule(args)
        if out is NotImplemented:
            try:
                with without_autocast():  # some meta kernels are compositions in Python
                    out = func(*args, **kwargs)
            except (NotImplementedError, RuntimeError) as error:
                tell_data_dependent(func, error)
                raise
        flops = 0 if facts.flops is None else facts.flops(args, kwargs, out)
        written = _written(facts, args, kwargs, out)
        self._record(Call(facts, args, _really_read(facts, read, written), written, flops))
        return out

    def _record(self, call: "Call") -> None:
        self._moment += 1
        if not call.written:
            return
        if not self._in_forward:
            self.record_backward(call.read, call.written, call.flops)
        elif self._is_bookkeeping(call):
            self._owe(call)
        elif self._training and self._is_dropout(call):
            self._owe(call)
            self._pass_through(call)
        else:
            self._record_node(call)

    # -- forward ----------------------------------------------------------------------------------------

    def _record_node(self, call: "Call") -> None:
        facts, index = call.facts, len(self.trace.nodes)
        if facts.overwrites:
            self._link_partial(call.written, index)
        gathered = {id(call.read[0]): sum(map(tensor_bytes, call.written))} if facts.gathers else {}
        input_bytes, weight_bytes = self._read(call.read, index, gathered)
        operator, values = self._describe(facts, call.args)
        output_bytes = self._write(call.written[:1] if facts.one_output else call.written, index)
        if facts.name == "_to_copy" and self._is_weight(call.read[0]):
            self._cast_weights.add(self._raw(call.written[0]))
        if facts.one_output:
            self._statistics(call.args, call.written[1:])
        shape, storage = nchw(call.written[0].shape), self._root(call.written[0])
        costs = (call.flops, input_bytes, weight_bytes, output_bytes)
        self.trace.nodes.append(NodeRecord(facts.name, operator, values, shape, *costs, storage))
        self._event(index)

    def _describe(self, facts: Facts, args: Sequence[Any]) -> tuple[int, Hyperparameters]:
        if facts.describe is None:
            return facts.operator, hyperparameters({})
        positions = (i for i, a in enumerate(args) if isinstance(a, Tensor))
        name, values = facts.describe(args, frozenset(i for i in positions if self._is_weight(args[i])))
        return OPERATOR_INDEX[name], hyperparameters(values)

    def _is_weight(self, tensor: Tensor) -> bool:
        """A parameter or buffer, as it is or cast to another type."""
        raw = self._raw(tensor)
        return raw in self._weights or raw in self._cast_weights

    def _read(self, tensors: Sequence[Tensor], index: int, most: Mapping[int, int]) -> tuple[int, int]:
        """Activation and weight bytes of the distinct tensors; an edge for each that has a producer.

        Of a tensor named in ``most`` (by id) no more than so many bytes are read.
        """
        trace, moment = self.trace, self._moment
        seen: set[tuple[int, int, torch.Size, tuple[int, ...]]] = set()
        input_bytes = weight_bytes = 0
        for tensor in tensors:
            raw = self._raw(tensor)
            root = self._same.get(raw, raw)
            key = (root, tensor.storage_offset(), tensor.shape, tensor.stride())
            if key in seen:
                continue
            seen.add(key)
            nbytes = min(tensor_bytes(tensor), most.get(id(tensor), tensor.nbytes))
            if self._is_weight(tensor):
                weight_bytes += nbytes
            else:
                input_bytes += nbytes
            if raw not in self._weights:
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
            nbytes = tensor.untyped_storage().nbytes()
            self.trace.inference.write(root, self._moment, nbytes)
            self.trace.training.write(raw, self._moment, nbytes)
        return total

    def _link_partial(self, targets: Sequence[Tensor], index: int) -> None:
        """Overwriting part of a tensor still depends on whoever wrote the rest."""
        for target in targets:
            root = self._root(target)
            part = target.numel() * target.itemsize < target.untyped_storage().nbytes()
            if part and root in self._producer:
                edge = (self._producer[root], index, tensor_bytes(target), nchw(target.shape))
                self.trace.edges.append(edge)

    def _statistics(self, args: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Batch norm that trains keeps the batch's statistics and updates the running ones."""
        if not self._training or not args[5]:
            return
        running = [a for a in args[3:5] if isinstance(a, Tensor)]
        self.trace.train_only_bytes += sum(tensor_bytes(t) for t in (*outputs, *running))
        for tensor in outputs:
            self.trace.training.write(self._raw(tensor), self._moment, tensor.untyped_storage().nbytes())

    def _event(self, owner: int) -> None:
        self.trace.sequences.append(torch.autograd._get_sequence_nr())
        self.trace.owners.append(owner)

    # -- work that only training does -------------------------------------------------------------------

    def _is_bookkeeping(self, call: "Call") -> bool:
        """Buffers updated from buffers alone, such as the number of batches tracked."""
        touched = (*call.read, *call.written)
        return bool(call.facts.mutated) and all(self._raw(t) in self._weights for t in touched)

    def _is_dropout(self, call: "Call") -> bool:
        """Masks, arithmetic on masks, and masks applied to one tensor: `F.dropout` and drop path alike."""
        if call.facts.noise:
            return True
        if not self._noise or call.facts.flops is not None:
            return False
        raws = {self._raw(t) for t in call.read}
        return bool(raws & self._noise) and len(raws - self._noise) <= 1 and not raws & self._weights.keys()

    def _pass_through(self, call: "Call") -> None:
        """Dropout's output is its input; what has no input but noise is noise."""
        clean = [t for t in call.read if self._raw(t) not in self._noise]
        if not clean or (call.facts.noise and "dropout" not in call.facts.name):
            self._noise.update(self._raw(t) for t in call.written)
            return
        source, target = self._root(clean[0]), self._raw(call.written[0])
        if source != target:
            self._same[target] = source
        self._noise.update(self._raw(t) for t in call.written[1:])

    def _owe(self, call: "Call") -> None:
        """Book work that belongs to no node; in inference there is none."""
        if not self._training:
            return
        self.trace.train_only_bytes += _moved_bytes(call.read, call.written)
        self._move(call.read, call.written)
        self._event(NO_OWNER)

    # -- backward and fused operators -------------------------------------------------------------------

    def record_backward(self, read: Sequence[Tensor], written: Sequence[Tensor], flops: int) -> None:
        """An operator of the backward pass ran."""
        self._moment += 1
        self._move(read, written)
        self.trace.backward.append((_current_sequence(), _moved_bytes(read, written), flops))

    def record_fused(
        self, facts: Facts, read: Sequence[Tensor], written: Sequence[Tensor], flops: int
    ) -> None:
        """An operator ran that is no one ATen call: see `attention` and `foreign`."""
        self._moment += 1
        self._record_node(Call(facts, read, read, written, flops))

    def _move(self, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """Memory events of an operator outside the forward nodes."""
        for tensor in read:
            self.trace.training.read(self._raw(tensor), self._moment)
        for tensor in written:
            self.trace.training.write(self._raw(tensor), self._moment, tensor.untyped_storage().nbytes())

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

    def joined(self, value: Any) -> Any:
        """A value whose constants from other devices have joined the tensors on the meta device."""
        return tree_map(self._constant, value)

    def _constant(self, value: Any) -> Any:
        """Constants that live on another device join the trace as meta tensors of the same identity."""
        if not isinstance(value, Tensor) or value.is_meta or value.dim() == 0:
            return value
        twin = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        self._same[self._raw(twin)] = self._root(value)
        return twin


@dataclass(slots=True)
class Call:
    """One ATen call after it ran.

    Attributes:
        facts: what its schema says.
        args: positional arguments.
        read: tensors whose contents are read; targets of in-place writes among them unless overwritten.
        written: tensors written: the targets of an in-place operator, else the outputs.
        flops: floating-point operations.
    """

    facts: Facts
    args: Sequence[Any]
    read: Sequence[Tensor]
    written: Sequence[Tensor]
    flops: int


def _written(facts: Facts, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> list[Tensor]:
    if not facts.mutated:
        return list(_tensors((out,)))
    targets = (args[p] if p < len(args) else kwargs.get(name) for p, name in facts.mutated)
    return list(_tensors(targets))


def _really_read(facts: Facts, tensors: list[Tensor], written: Sequence[Tensor]) -> list[Tensor]:
    if facts.fills:
        return []
    if facts.overwrites:
        return [t for t in tensors if not any(t is target for target in written)]
    return tensors


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Tensors among the values, looking into lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _moved_bytes(read: Sequence[Tensor], written: Sequence[Tensor]) -> int:
    """Bytes of the distinct tensors read plus those written."""
    distinct = {(t.untyped_storage()._cdata, t.storage_offset(), t.shape, t.stride()): t for t in read}
    return sum(map(tensor_bytes, distinct.values())) + sum(map(tensor_bytes, written))


def _current_sequence() -> int:
    node = torch._C._current_autograd_node()
    sequence = NO_OWNER if node is None else int(node._sequence_nr())
    return sequence if sequence < _LAST_SEQUENCE else NO_OWNER
