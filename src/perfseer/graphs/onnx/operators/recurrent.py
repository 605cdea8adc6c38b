"""Recurrent layers."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import require
from perfseer.graphs.onnx.calls import Call, Handler


def _weights(call: Call) -> tuple[list[Tensor], int]:
    """Matrices and biases of each direction in torch's order, and the number of directions.

    The gates stand in another order than torch's, which no cost depends on.
    """
    inner, recurrent, biases = call.tensor(1), call.tensor(2), call.optional(3)
    flat = []
    for direction in range(inner.shape[0]):
        flat += [inner[direction], recurrent[direction]]
        if biases is not None:
            flat += list(biases[direction].chunk(2))
    return flat, inner.shape[0]


def _states(call: Call, source: Tensor, directions: int, count: int) -> list[Tensor]:
    """Initial states, zeros where the file leaves them out or has them for another batch size."""
    given = [call.optional(5 + position) for position in range(count)]
    if _is_batch_first(call):
        given = [state if state is None else state.transpose(0, 1) for state in given]
    shape = (directions, source.shape[1], call.tensor(2).shape[-1])
    return [
        state if state is not None and tuple(state.shape) == shape else source.new_zeros(shape)
        for state in given
    ]


def _run(function: Callable[..., tuple[Tensor, ...]], n_states: int, call: Call) -> tuple[Any, ...]:
    source = call.tensor(0)
    require(source.dim() == 3, f"{call.node} reads {tuple(source.shape)}; expected [length, batch, channels]")
    batch_first = _is_batch_first(call)
    source = source.transpose(0, 1) if batch_first else source
    flat, directions = _weights(call)
    states = _states(call, source, directions, n_states)
    out, *last = function(
        source, states if n_states > 1 else states[0], flat, call.has(3), 1, 0.0, False, directions > 1, False
    )
    length, batch = source.shape[:2]
    out = out.reshape(length, batch, directions, -1)
    if batch_first:
        return (out.transpose(0, 1), *(state.transpose(0, 1) for state in last))
    # ONNX keeps the directions apart: [length, directions, batch, hidden]
    return (out.transpose(1, 2), *last)


def _is_batch_first(call: Call) -> bool:
    """Whether everything has the batch before the length, since opset 14."""
    return bool(call.node.integer("layout", 0))


HANDLERS: Mapping[str, Handler] = {
    **{"LSTM": partial(_run, torch.lstm, 2), "GRU": partial(_run, torch.gru, 1)},
    "RNN": partial(_run, torch.rnn_tanh, 1),
}
