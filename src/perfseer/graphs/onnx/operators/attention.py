"""Attention: ONNX's own, what exporters write out, and the kinds of ONNX Runtime.

Whatever is projected, biased, cached or rotated around it, the two products are one fused operator
(`graphs.attention`).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import require
from perfseer.graphs.onnx.calls import Call, Fact, Handler
from perfseer.graphs.onnx.model import Known

RUNTIME = "com.microsoft."


# -- ONNX's own ------------------------------------------------------------------------------------------


def _attention(call: Call) -> Tensor | tuple[Tensor | None, ...]:
    """ONNX's own Attention (opset 23): [N, heads, L, E], or [N, L, heads E] with the heads as attributes."""
    query, key, value = (call.tensor(position) for position in range(3))
    flat = query.dim() == 3
    if flat:
        heads = call.node.integer("q_num_heads", 1)
        kv_heads = call.node.integer("kv_num_heads", heads)
        query, key, value = _heads(query, heads), _heads(key, kv_heads), _heads(value, kv_heads)
    if call.has(4) and call.has(5):  # what was computed for earlier tokens
        key, value = torch.cat([call.tensor(4), key], 2), torch.cat([call.tensor(5), value], 2)
    out = F.scaled_dot_product_attention(
        query, key, value, call.optional(3), is_causal=bool(call.node.integer("is_causal", 0))
    )
    scores = query.new_empty((*out.shape[:-1], key.shape[-2]))  # a result of the fused kernel on demand
    return (out.transpose(1, 2).flatten(2) if flat else out), key, value, scores


def _heads(tensor: Tensor, heads: int) -> Tensor:
    """[N, L, heads E] as [N, heads, L, E]."""
    require(
        heads > 0 and tensor.shape[-1] % heads == 0,
        f"{tensor.shape[-1]} channels do not divide into {heads} heads",
    )
    return tensor.unflatten(2, (heads, tensor.shape[-1] // heads)).transpose(1, 2)


def _fused_attention(call: Call) -> Tensor:
    """Scaled products that an exporter wrote out (`patterns`): query, key, value, mask."""
    query, key, value = call.tensor(0), call.tensor(1), call.tensor(2)
    if call.node.integer("key_is_transposed", 0):
        key = key.transpose(-1, -2)
    mask = call.inputs[3] if call.has(3) else None
    if isinstance(mask, Fact) and _is_causal(mask.values):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return F.scaled_dot_product_attention(query, key, value, call.optional(3))


def _is_causal(mask: Known) -> bool:
    """Whether a mask hides exactly what comes later."""
    plain = mask.reshape(-1, *mask.shape[-2:])
    if len(plain) != 1 or plain.ndim != 3:
        return False
    return bool(np.array_equal(plain[0] < 0, np.triu(np.ones(plain[0].shape, dtype=bool), 1)))


# -- ONNX Runtime's --------------------------------------------------------------------------------------


def _projected_attention(call: Call) -> tuple[Tensor | None, ...]:
    """Tokens, weights [in, 3 hidden], bias, mask, past, bias of the scores."""
    projection = F.linear(call.tensor(0), call.tensor(1).t(), call.optional(2))
    return attended(call, *projected(call, projection), past=call.optional(4), mask=call.optional(5))


def projected(call: Call, projection: Tensor) -> Sequence[Tensor]:
    """Queries, keys and values [N, L, hidden] of one projection."""
    sizes = call.node.integers("qkv_hidden_sizes") or ()
    return projection.split(list(sizes), -1) if sizes else projection.chunk(3, -1)


def attended(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    past: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, ...]:
    """The result [N, L, hidden]; keys and values with those of the past [2, N, heads, L, E] where asked."""
    heads = call.node.integer("num_heads", 1)
    query, key, value = (_heads(tensor, heads) for tensor in (query, key, value))
    if past is not None:
        key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
    out = F.scaled_dot_product_attention(query, key, value, mask)
    present = torch.stack([key, value]) if _wants(call, 1) else None
    return out.transpose(1, 2).flatten(2), present


def _wants(call: Call, output: int) -> bool:
    return len(call.node.outputs) > output and bool(call.node.outputs[output])


def _multi_head_attention(bias_at: int, mask_at: int, past_at: int, call: Call) -> tuple[Tensor | None, ...]:
    """Query, key and value apart, or packed: [N, L, heads, 3, E], or keys with values [N, L, heads, 2, E].

    Args:
        bias_at: position of the bias of all three.
        mask_at: of the bias of the scores.
        past_at: of the keys of earlier tokens; their values follow.
        call: the node.
    """
    query, key, value = call.tensor(0), call.optional(1), call.optional(2)
    heads = call.node.integer("num_heads", 1)
    if query.dim() == 5:
        query, key, value = (part.flatten(2) for part in query.unbind(3))
    elif key is not None and key.dim() == 5:
        key, value = (part.flatten(2) for part in key.unbind(3))
    bias = call.optional(bias_at)
    if bias is not None:
        query, key, value = _biased(bias, query, key, value)
    query = _heads(query, heads)
    key, value = (t if t is None or t.dim() == 4 else _heads(t, heads) for t in (key, value))
    past_key, past_value = call.optional(past_at), call.optional(past_at + 1)
    key, value = _joined(call, past_key, key), _joined(call, past_value, value)
    out = F.scaled_dot_product_attention(query, key, value, call.optional(mask_at))
    return out.transpose(1, 2).flatten(2), key, value


def _biased(
    bias: Tensor, query: Tensor, key: Tensor | None, value: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Each with its part of the bias; keys that are laid out by heads come from elsewhere and have theirs."""
    start, out = 0, []
    for tensor in (query, key, value):
        plain = tensor is not None and tensor.dim() == 3
        end = start + (tensor.shape[-1] if plain and tensor is not None else query.shape[-1])
        out.append(tensor + bias[start:end] if plain and tensor is not None else tensor)
        start = end
    return out[0] if out[0] is not None else query, out[1], out[2]


def _joined(call: Call, past: Tensor | None, new: Tensor | None) -> Tensor:
    """[N, heads, L, E] of earlier tokens and those of this call."""
    parts = [part for part in (past, new) if part is not None]
    require(len(parts) > 0, f"{call.node} has neither keys and values nor those of earlier tokens")
    return torch.cat(parts, 2) if len(parts) == 2 else parts[0]


def _grouped_query_attention(call: Call) -> tuple[Tensor | None, ...]:
    """Fewer heads of keys than of queries; key and value may come packed behind the query."""
    node, query = call.node, call.tensor(0)
    heads = node.integer("num_heads", 1)
    kv_heads = node.integer("kv_num_heads", heads)
    if call.has(1):
        key, value = call.tensor(1), call.tensor(2)
    else:
        each = query.shape[-1] // (heads + 2 * kv_heads)
        query, key, value = query.split([heads * each, kv_heads * each, kv_heads * each], -1)
    query, key, value = _heads(query, heads), _heads(key, kv_heads), _heads(value, kv_heads)
    key, value = _joined(call, call.optional(3), key), _joined(call, call.optional(4), value)
    out = F.scaled_dot_product_attention(query, key, value, call.optional(10), enable_gqa=heads != kv_heads)
    return out.transpose(1, 2).flatten(2), key, value


HANDLERS: Mapping[str, Handler] = {
    **{"Attention": _attention, "perfseer.Attention": _fused_attention},
    f"{RUNTIME}Attention": _projected_attention,
    f"{RUNTIME}MultiHeadAttention": partial(_multi_head_attention, 3, 5, 6),
    f"{RUNTIME}DecoderMaskedMultiHeadAttention": partial(_multi_head_attention, 10, 4, 5),
    f"{RUNTIME}GroupQueryAttention": _grouped_query_attention,
}
