"""Every shape rule against the real kernel it stands for, on the cpu."""

import pytest
import torch
from torch._decomp import decomposition_table

from perfseer.graphs.shapes import SHAPE_RULES

aten = torch.ops.aten


def empty(*shape, dtype=torch.float32):
    return torch.ones(shape, dtype=dtype)


X, C, G = empty(2, 6, 5, 5), empty(6), empty(2, 3)
LAST = X.to(memory_format=torch.channels_last)
ROWS, W, STAT = empty(4, 7, 8), empty(8), empty(4, 7, 1)
MASKS = ([True, True, True], [False, True, False])
BINARY = ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor")
UNARY = ("relu", "gelu", "silu", "sigmoid", "hardswish", "tanh")

CALLS = [
    *(
        (aten.native_batch_norm.default, (x, C, C, C, C, t, 0.1, 1e-5))
        for x in (X, LAST)
        for t in (True, False)
    ),
    (aten.native_batch_norm.default, (X, None, None, None, None, True, 0.1, 1e-5)),
    *(
        (aten.native_batch_norm_backward.default, (X, X, w, C, C, C, C, True, 1e-5, mask))
        for w in (C, None)
        for mask in MASKS
    ),
    (aten.native_layer_norm.default, (ROWS, [8], W, W, 1e-5)),
    (aten.native_layer_norm.default, (ROWS, [7, 8], None, None, 1e-5)),
    (aten.native_layer_norm.default, (X.permute(0, 2, 3, 1), [6], C, C, 1e-5)),
    *((aten.native_layer_norm_backward.default, (ROWS, ROWS, [8], STAT, STAT, W, W, mask)) for mask in MASKS),
    (aten.native_group_norm.default, (X, C, C, 2, 6, 25, 3, 1e-5)),
    *(
        (aten.mish_backward.default, pair)
        for pair in ((X, LAST), (LAST, X), (C.expand(2, 6), C.expand(2, 6)))
    ),
    (aten.native_dropout.default, (LAST, 0.5, True)),
    *((aten.native_dropout_backward.default, (x, x > 0, 2.0)) for x in (X, LAST)),
    (aten._fused_rms_norm.default, (ROWS, [8], W, 1e-5)),
    *((aten._fused_rms_norm_backward.default, (ROWS, ROWS, [8], STAT, W, m[:2])) for m in MASKS),
    (aten._fused_rms_norm_backward.default, (ROWS, ROWS, [8], STAT, None, [True, False])),
    (aten._fused_rms_norm.default, (ROWS.half(), [7, 8], None, None)),
    (aten._fused_rms_norm.default, (X.permute(0, 2, 3, 1), [6], C, 1e-5)),
    *((aten.native_group_norm_backward.default, (X, X, G, G, C, 2, 6, 25, 3, mask)) for mask in MASKS),
    *(
        (
            aten.convolution_backward.default,
            (empty(2, 4, 3, 3), X, empty(4, 3, 3, 3), [4], [1, 1], [0, 0], [1, 1], False, [0, 0], 2, mask),
        )
        for mask in MASKS
    ),
    (
        aten.convolution_backward.default,
        (empty(2, 4, 7, 7), X, empty(6, 2, 3, 3), [4], [1, 1], [0, 0], [1, 1], True, [0, 0], 2, MASKS[0]),
    ),
    (aten.addmm.default, (empty(9), empty(5, 8), empty(9, 8).t())),
    *((getattr(aten, name).default, (x,)) for name in UNARY for x in (X, LAST, X[:, 1:4], X.transpose(1, 2))),
    (aten.hardtanh.default, (X, 0.0, 6.0)),
    (aten.threshold_backward.default, (X, X, 0)),
    *(
        (getattr(getattr(aten, name.split(".")[0]), name.split(".")[1]), pair)
        for name in BINARY
        for pair in ((X, X), (LAST, LAST), (X, 2.0), (X, C[:, None, None]), (X, LAST), (X, X.half()))
    ),
    (aten.mul.Scalar, (empty(3, dtype=torch.int64), 2.5)),
    *(
        (getattr(aten, f"{name}_backward").default, (X, X))
        for name in ("gelu", "silu", "hardswish", "sigmoid", "tanh")
    ),
]


def layout(out):
    outs = out if isinstance(out, tuple | list) else (out,)
    return [None if t is None else (t.shape, t.stride(), t.dtype) for t in outs]


def on_meta(value):
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return value


@pytest.mark.parametrize(("func", "args"), CALLS, ids=lambda v: str(v) if not isinstance(v, tuple) else "")
def test_rule_gives_what_the_kernel_gives(func, args):
    out = SHAPE_RULES[func]([on_meta(arg) for arg in args])
    if out is not NotImplemented:
        # what runs on a GPU alone has a description in terms of other operators
        kernel = func if func.has_kernel_for_dispatch_key("CPU") else decomposition_table.get(func, func)
        assert layout(out) == layout(kernel(*args))


def test_log_sigmoid_saves_nothing_as_on_a_gpu():
    source = torch.empty(4, 6, dtype=torch.float16, device="meta")
    out, saved = SHAPE_RULES[aten.log_sigmoid_forward.default]((source,))
    assert layout(out) == layout(source)
    assert saved.numel() == 0


def test_every_rule_is_checked():
    unlike_meta = {aten.log_sigmoid_forward.default}
    assert {func for func, _ in CALLS} | unlike_meta == set(SHAPE_RULES)
