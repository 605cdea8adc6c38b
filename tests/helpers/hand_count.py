"""FLOPs by hand: a formula for each of torch's functions that multiplies, from the shapes at the call.

It shares nothing with the product: not ATen's calls but functions of `torch` and `torch.nn.functional` are
counted, and the backward pass by its rule, that each operand's gradient costs what the product itself did.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# A product: FLOPs, and its operands.
Product = tuple[int, tuple[Tensor, ...]]


class HandCount(TorchFunctionMode):
    """Counts while active; the backward pass of what ran is counted whenever it runs.

    Attributes:
        forward: FLOPs of the forward pass.
        backward: FLOPs of gradients of operands, wherever a gradient arrives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward = 0
        self.backward = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        out = func(*args, **kwargs)
        count = FORMULAS.get(getattr(func, "__name__", ""))
        if count is None:
            return out
        first, *others = out if isinstance(out, tuple) else (out,)
        products = count(first, *args, **kwargs)
        self.forward += sum(flops for flops, _ in products)
        backward = sum(flops * sum(t.requires_grad for t in operands) for flops, operands in products)
        # of a view that is written to, a hook would be lost
        first = first.clone()
        if backward:
            first.register_hook(lambda _: self._add_backward(backward))
        return (first, *others) if isinstance(out, tuple) else first

    def _add_backward(self, flops: int) -> None:
        self.backward += flops


def count_by_hand(model: nn.Module, inputs: Sequence[Tensor]) -> tuple[int, int]:
    """FLOPs of the forward and of the backward pass of a training step on the meta device."""
    model.train()
    with HandCount() as count:
        out = model(*inputs)
    torch.stack(
        [t.sum() for t in tree_leaves(out) if isinstance(t, Tensor) and t.requires_grad]
    ).sum().backward()
    return count.forward, count.backward


def _convolution(out: Tensor, source: Tensor, weight: Tensor, *_: Any, **__: Any) -> list[Product]:
    """Every output element sums over the channels of its group and the kernel."""
    inner = weight.shape[1] * prod(weight.shape[2:])
    return [(2 * out.numel() * inner, (source, weight))]


def _transposed(out: Tensor, source: Tensor, weight: Tensor, *_: Any, **__: Any) -> list[Product]:
    """Every input element is spread over the output channels of its group and the kernel."""
    spread = weight.shape[1] * prod(weight.shape[2:])
    return [(2 * source.numel() * spread, (source, weight))]


def _linear(out: Tensor, source: Tensor, weight: Tensor, *_: Any, **__: Any) -> list[Product]:
    return [(2 * out.numel() * weight.shape[-1], (source, weight))]


def _matmul(out: Tensor, left: Tensor, right: Tensor, *_: Any, **__: Any) -> list[Product]:
    return [(2 * out.numel() * left.shape[-1], (left, right))]


def _added_matmul(out: Tensor, _: Tensor, left: Tensor, right: Tensor, **__: Any) -> list[Product]:
    return [(2 * out.numel() * left.shape[-1], (left, right))]


def _einsum(out: Tensor, equation: str, *operands: Any) -> list[Product]:
    """Of two tensors; no product where nothing is summed over both."""
    tensors = operands[0] if isinstance(operands[0], list | tuple) else operands
    left, _, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) == 1:
        return []
    assert len(terms) == 2, f"no formula for {equation}"
    assert "." not in left, f"no formula for {equation}"
    letters = zip("".join(terms), (size for t in tensors for size in t.shape), strict=True)
    summed = set(terms[0]) & set(terms[1]) - set(right)
    return [(2 * prod(dict(letters).values()), tuple(tensors))] if summed else []


def _attention(out: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> list[Product]:
    """Scores, and values by the scores; every query head counts where several share a key."""
    rows = prod(out.shape[:-1])
    return [
        (2 * rows * query.shape[-1] * key.shape[-2], (query, key)),
        # a gradient flows to the scores, if any of what they are made of wants one
        (2 * rows * key.shape[-2] * value.shape[-1], (value, _any_of(query, key))),
    ]


def _any_of(*tensors: Tensor) -> Tensor:
    """One that wants a gradient, if there is one."""
    return next((t for t in tensors if t.requires_grad), tensors[0])


_MULTI_HEAD_ARGUMENTS = (
    *("embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k", "bias_v"),
    *("add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias"),
)


def _multi_head(
    out: Tensor, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
) -> list[Product]:
    """Four projections and two products of `F.multi_head_attention_forward`; [L, N, E] each."""
    given = {**dict(zip(_MULTI_HEAD_ARGUMENTS, args, strict=False)), **kwargs}
    width = given["embed_dim_to_check"]
    packed = given["in_proj_weight"]
    weights = [packed] * 3 if packed is not None else [given[f"{n}_proj_weight"] for n in "qkv"]
    projections: list[Product] = [
        (2 * t.numel() * width, (t, w)) for t, w in zip((query, key, value), weights, strict=True)
    ]
    rows, keys = query.numel() // query.shape[-1], key.shape[0]
    scores: Product = (2 * rows * keys * width, (weights[0], weights[1]))
    mixed: Product = (2 * rows * keys * width, (weights[2], weights[0]))
    return [*projections, scores, mixed, (2 * rows * width * width, (given["out_proj_weight"], weights[0]))]


def _recurrent(gates: int) -> Callable[..., list[Product]]:
    def count(
        out: Tensor, source: Tensor, hidden: Any, weights: Any, biases: bool, layers: int, *rest: Any
    ) -> Any:
        """Gates from inputs and from the state before; the first state wants no gradient."""
        first = hidden[0] if isinstance(hidden, list | tuple) else hidden
        batch, per_layer = first.shape[1], 4 if biases else 2
        per_layer += len(weights) % per_layer
        steps = source.numel() // source.shape[-1] // batch
        width = first.shape[-1]
        products: list[Product] = []
        for number in range(0, len(weights), per_layer):
            w_in, w_state = weights[number], weights[number + 1]
            below = source if w_in.shape[1] == source.shape[-1] and number < 2 * per_layer else w_in
            products.append((2 * steps * batch * w_in.numel(), (below, w_in)))
            products.append((2 * batch * w_state.numel() * (steps - 1), (w_state, w_state)))
            products.append((2 * batch * w_state.numel(), (first, w_state)))
        assert width * gates == weights[0].shape[0]
        return products

    return count


FORMULAS: dict[str, Callable[..., list[Product]]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "linear": _linear,
    **dict.fromkeys(("matmul", "__matmul__", "mm", "bmm", "mv"), _matmul),
    "__rmatmul__": lambda out, right, left: _matmul(out, left, right),
    **dict.fromkeys(("addmm", "baddbmm"), _added_matmul),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "lstm": _recurrent(4),
    "gru": _recurrent(3),
    **dict.fromkeys(("rnn_tanh", "rnn_relu"), _recurrent(1)),
}
