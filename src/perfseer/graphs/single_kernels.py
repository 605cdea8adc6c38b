"""Operators that devices run as one kernel where the meta device composes them of many.

torch decomposes an operator before a dispatch mode sees it where a device has no kernel of its own for it.
So the meta device runs the gradient of Mish as ten operators, RMS normalisation as six and dropout as three.
A GPU runs each as one, and a CPU the first. During a capture the meta device has kernels for them too, which
return empty tensors laid out as the real ones; derivatives are torch's.

Recurrent layers are compositions on the meta device and stay so. But torch asks first whether states and
weights are where the input is, which constants of a model (`torch.zeros` without a device) are not yet.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from perfseer.graphs.attention import Recorder, fused_attention
from perfseer.graphs.shapes import SHAPE_RULES

_aten = torch.ops.aten


def _dropout(source: Tensor, probability: float, training: bool) -> Tensor:
    """On a GPU one kernel draws the mask, a byte per element, and applies it."""
    if not training or probability == 0:
        return source
    if probability == 1:
        return source * 0.0
    dropped: Tensor = _aten.native_dropout.default(source, probability, True)[0]
    return dropped


def _by_rule(operator: Any) -> Callable[..., Any]:
    return lambda *args: SHAPE_RULES[operator](args)


# Those torch has; older ones lack some.
_META_KERNELS = {
    name: _by_rule(getattr(_aten, name).default)
    for name in ("mish_backward", "_fused_rms_norm")
    if hasattr(_aten, name)
}


def _recurrent(recorder: Recorder, operator: Any) -> Callable[..., Any]:
    """A recurrent layer whose states and weights join its input; lengths of packed sequences stay."""

    def run(*args: Any, **kwargs: Any) -> Any:
        joined = [recorder.joined(value) if isinstance(value, list | tuple) else value for value in args]
        if operator in _ONE_STATE:
            joined[_ONE_STATE[operator]] = recorder.joined(joined[_ONE_STATE[operator]])
        # torch's composition in C++, which runs elsewhere too; `decompose` prefers one in Python
        return operator._op_dk(_COMPOSITE, *joined, **kwargs)

    return run


_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
# Recurrent layers, and which argument is the state of those that have a single one.
_RECURRENT = [
    getattr(getattr(_aten, name), overload)
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")
    for overload in ("input", "data")
]
_ONE_STATE = {
    operator: [argument.name for argument in operator._schema.arguments].index("hx")
    for operator in _RECURRENT
    if "lstm" not in operator._schema.name
}


@contextmanager
def single_kernels(recorder: Recorder) -> Iterator[None]:
    """While active, operators that a device runs as one kernel are one on the meta device.

    Other devices are not affected. Captures in several threads wait for one another.

    Args:
        recorder: hears of attention, which is no one ATen call.
    """
    with fused_attention(recorder) as library:
        library.impl("dropout", _dropout, "AutogradMeta")
        for operator in _RECURRENT:
            library.impl(operator, _recurrent(recorder, operator), "AutogradMeta")
        for name, kernel in _META_KERNELS.items():
            # not `library.impl`, which refuses meta kernels for what torch composes
            library.m.impl(name, "Meta", kernel, False)
        yield
