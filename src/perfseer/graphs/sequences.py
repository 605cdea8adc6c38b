"""Whether the dimension that was resized as the batch is the sequence instead.

Nothing in a shape says which dimension is the batch. But recurrent layers, attention and softmax work along a
dimension that is none: if its length follows the number of samples, what was resized is no batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from perfseer.errors import PerfseerError

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_RECURRENT_ARGUMENTS = 9  # of the call on padded sequences; packed ones have 8
_SOFTMAX = ("softmax", "log_softmax", "_softmax", "_log_softmax")


class _Lengths(TorchFunctionMode):
    """Notes the length of every dimension that is worked along, in order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[int] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        length = _length(getattr(function, "__name__", "").split(".")[0], args, kwargs or {})
        if length is not None:
            self.found.append(length)
        return function(*args, **(kwargs or {}))


@contextmanager
def lengths_seen() -> Iterator[list[int]]:
    """While active, the length of every dimension that a sequence model works along is added to the list."""
    with _Lengths() as mode:
        yield mode.found


def _length(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    tensor = args[0] if args else kwargs.get("query", kwargs.get("input"))
    if not isinstance(tensor, Tensor):
        return None
    axis: Any = None
    if name in _RECURRENT and len(args) == _RECURRENT_ARGUMENTS:
        axis = 1 if args[-1] else 0
    elif name == "multi_head_attention_forward":
        axis = 0
    elif name in ("_native_multi_head_attention", "_transformer_encoder_layer_fwd"):
        axis = 1
    elif name == "scaled_dot_product_attention":
        axis = -2
    elif name in _SOFTMAX:
        axis = args[1] if len(args) > 1 else kwargs.get("dim")
    fits = isinstance(axis, int) and -tensor.dim() <= axis < tensor.dim()
    return int(tensor.shape[axis]) if fits else None


def takes_sequence_first(module: nn.Module) -> bool:
    """Whether a part of the module is made for [length, batch, channels]."""
    return any(
        isinstance(part, nn.RNNBase | nn.MultiheadAttention) and not part.batch_first
        for part in module.modules()
    )


def look_like(lengths: Iterable[int], batch_size: int) -> bool:
    """Whether one of the lengths may be the batch, or the batch and a token or two; cheap to ask first."""
    return any(batch_size <= length <= batch_size + 2 for length in lengths)


def follow_batch(run: Callable[[int], Any], batch_size: int) -> bool:
    """Whether lengths that a model works along follow the number of samples.

    Args:
        run: runs the model at so many samples; one that cannot run says nothing.
        batch_size: one of the two numbers to compare.
    """
    try:
        with lengths_seen() as few:
            run(batch_size)
        with lengths_seen() as many:
            run(2 * batch_size)
    except PerfseerError:
        return False
    return few != many[-len(few) :]  # a run may make itself ready by another
