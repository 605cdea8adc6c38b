"""A program exported with a fixed batch size, run with another one.

``torch.export`` writes a batch that it was not told to keep open into the sizes of views, expansions and new
tensors. Run once as declared, such a size is known to stand for a shape whose one dimension carries the batch
(`perfseer.graphs.onnx.batching.scaled`, which holds for both kinds of files). `module` checks afterwards that
all work grew in proportion.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from perfseer.errors import PerfseerError
from perfseer.graphs.exported.arguments import names_of
from perfseer.graphs.onnx.batching import Shape, scaled
from perfseer.graphs.tracer import Tracer

# Which argument holds the sizes.
_RESHAPES: Mapping[str, str] = {
    **dict.fromkeys(("view", "_unsafe_view", "view_copy"), "size"),
    "reshape": "shape",
}
_EXPANDS = frozenset({"expand", "expand_copy", "broadcast_to"})
# Sizes of what depends on no data: a dimension as large as the declared batch carries it.
_MAKES = frozenset(
    {"zeros", "ones", "full", "empty", "rand", "randn", "new_zeros", "new_ones", "new_full", "new_empty"}
)
_RECURRENT: Mapping[str, str] = {"lstm": "hx", "gru": "hx", "rnn_tanh": "hx", "rnn_relu": "hx"}
_JOINS = frozenset({"cat", "concat", "concatenate", "stack"})


@dataclass
class Rebatching:
    """What is remembered between the run as declared and the run at another batch size.

    Attributes:
        mode: ``off``, ``learn`` during the run as declared, ``apply`` afterwards.
        ratio: batch size over the declared one.
        declared: batch size in the file.
        fixed_flops: FLOPs of the run as declared that read no input, such as biases made from parameters.
        shapes: shape before and after each change of shape, as declared, by the place of its call.
    """

    mode: str = "off"
    ratio: int = 1
    declared: int = 1
    fixed_flops: int = 0
    shapes: dict[int, tuple[Shape, Shape]] = field(default_factory=dict)
    _from_inputs: set[str] = field(default_factory=set)

    def begin(self, inputs: Sequence[str]) -> None:
        """A run begins; ``inputs`` are the names of what the user gives."""
        self._from_inputs = set(inputs)
        if self.mode == "learn":
            self.fixed_flops = 0

    @contextmanager
    def watching(self, node: Mapping[str, Any]) -> Iterator[None]:
        """While a node runs: its FLOPs are counted apart if it reads nothing that came of the inputs."""
        tracer = _get_current_dispatch_mode()
        if self.mode != "learn" or not isinstance(tracer, Tracer):
            yield
            return
        start = len(tracer.trace.nodes)
        yield
        if self._from_inputs.isdisjoint(names_of([entry["arg"] for entry in node["inputs"]])):
            self.fixed_flops += sum(ran.flops for ran in tracer.trace.nodes[start:])
        else:
            self._from_inputs.update(names_of(node["outputs"]))

    def learn(self, place: int, name: str, given: Mapping[str, Any], result: Any) -> None:
        """Remember what a call did to a shape."""
        if self.mode == "learn" and (name in _RESHAPES or name in _EXPANDS):
            self.shapes[place] = (tuple(given["self"].shape), tuple(result.shape))

    def adapt(self, place: int, name: str, given: dict[str, Any]) -> None:
        """Change the sizes that a call is given to what they are at this batch size.

        Raises:
            PerfseerError: a shape mixes the batch with other dimensions.
        """
        if self.mode != "apply":
            return
        if name in _RESHAPES or name in _EXPANDS:
            self._reshape(place, name, given)
        elif name in _MAKES:
            self._make(given)
        elif name in ("repeat", "tile"):
            self._repeat(given, "repeats" if name == "repeat" else "dims")
        elif name == "arange" and self.declared > 1 and given.get("end") == self.declared:
            given["end"] = self.declared * self.ratio
        elif name in _JOINS:
            given["tensors"] = self._joined(given["tensors"], given.get("dim", 0), name == "stack")
        elif name in _RECURRENT:
            self._states(given, _RECURRENT[name])

    def _reshape(self, place: int, name: str, given: dict[str, Any]) -> None:
        if place not in self.shapes:
            raise PerfseerError("it runs at this batch size only")
        before, after = self.shapes[place]
        now = tuple(given["self"].shape)
        if name in _RESHAPES:
            sizes = after if now == before else scaled(before, after, now, self.ratio, self.declared)
            given[_RESHAPES[name]] = list(sizes)
            return
        given["size"] = self._expanded(before, after, now)

    def _expanded(self, before: Shape, after: Shape, now: Shape) -> list[int]:
        """Dimensions that carry the batch keep it; what does not depend on the data gets it, if it had it.

        A batch of one expands nothing: there, broadcasting and joining do it.
        """
        lead = len(after) - len(now)
        sizes = list(after)
        for axis, (old, new) in enumerate(zip(before, now, strict=True)):
            if old != new:
                sizes[lead + axis] = new
        if before == now and self.declared > 1 and after[0] == self.declared and (lead or before[0] == 1):
            sizes[0] = self.declared * self.ratio
        return sizes

    def _make(self, given: dict[str, Any]) -> None:
        sizes = given["size"]
        carrying = [axis for axis, size in enumerate(sizes) if size == self.declared]
        if self.declared == 1 or len(carrying) != 1:
            return
        given["size"] = [s * self.ratio if axis in carrying else s for axis, s in enumerate(sizes)]

    def _repeat(self, given: dict[str, Any], name: str) -> None:
        """What does not depend on the data is repeated for every sample, if it was for the declared ones."""
        source, times = given["self"], list(given[name])
        single = len(times) > source.dim() or (source.dim() and source.shape[0] == 1)
        if single and self.declared > 1 and times[:1] == [self.declared]:
            given[name] = [self.declared * self.ratio, *times[1:]]

    def _joined(self, tensors: list[Tensor], dim: int, stacks: bool) -> list[Tensor]:
        """Constants joined to data: as many as there are samples."""
        batch = self.declared * self.ratio
        if (dim == 0 and not stacks) or not any(t.dim() and t.shape[0] == batch for t in tensors):
            return tensors
        return [
            t[:1].expand(batch, *t.shape[1:]) if t.dim() and t.shape[0] == self.declared else t
            for t in tensors
        ]

    def _states(self, given: dict[str, Any], name: str) -> None:
        """Initial states [layers, N, H] of recurrent layers: as many as there are samples."""
        states = given[name]
        batch = self.declared * self.ratio
        source = given["input"]
        samples = source.shape[0 if given.get("batch_first", True) else 1] if source.dim() > 2 else 0

        def fitted(state: Tensor) -> Tensor:
            if samples != batch or state.dim() != 3 or state.shape[1] != self.declared:
                return state
            return state[:, :1].expand(-1, batch, -1).contiguous()

        given[name] = [fitted(s) for s in states] if isinstance(states, list) else fitted(states)
