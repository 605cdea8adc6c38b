"""Many of torch's operators as functions of small tensors, by name: what a network may be made of."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Shape = tuple[int, ...]
Case = tuple[Callable[..., Tensor], tuple[Shape, ...]]

IMAGE: Shape = (2, 6, 8, 8)
LINE: Shape = (2, 6, 8)
VOLUME: Shape = (2, 3, 4, 4, 4)


def _first(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[Tensor], Tensor]:
    """The function of one tensor, the first of its results."""

    def call(x: Tensor) -> Tensor:
        out = function(x, *args, **kwargs)
        return out if isinstance(out, Tensor) else out[0]

    return call


def _indices(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.int64, device=like.device)


_ACTIVATIONS = (
    *("silu", "mish", "gelu", "hardswish", "hardsigmoid", "hardtanh", "elu", "celu", "selu", "relu", "relu6"),
    *(
        "leaky_relu",
        "logsigmoid",
        "softplus",
        "softsign",
        "tanhshrink",
        "softshrink",
        "hardshrink",
        "sigmoid",
    ),
    *("tanh", "glu", "rrelu"),
)
_ELEMENTWISE = (
    *("exp", "log", "sqrt", "rsqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh"),
    *("atanh", "erf", "erfc", "erfinv", "expm1", "log1p", "log2", "log10", "exp2", "square", "abs", "neg"),
    *("reciprocal", "lgamma", "digamma", "sinc", "triu", "tril"),
)
_ALONG_CHANNELS = (
    *("cumsum", "cumprod", "logcumsumexp", "logsumexp", "amax", "amin", "max", "min", "cummax", "softmax"),
    *("log_softmax", "prod", "median", "mode", "sort", "var", "std", "sum", "mean", "std_mean"),
)
_OF_TWO = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "fmod", "atan2", "hypot", "logaddexp")
_LOSSES = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "kl_div"),
    "poisson_nll_loss",
)


def _pools() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for dimensions, shape in enumerate((LINE, IMAGE, VOLUME), 1):
        for kind in ("avg", "max"):
            plain = getattr(F, f"{kind}_pool{dimensions}d")
            cases[f"{kind}_pool{dimensions}d"] = (_first(plain, 2), (shape,))
            adaptive = getattr(F, f"adaptive_{kind}_pool{dimensions}d")
            for size in (1, 2):
                cases[f"adaptive_{kind}_pool{dimensions}d to {size}"] = (_first(adaptive, size), (shape,))
    return cases


def _resizes() -> dict[str, Case]:
    modes = (
        *(("nearest", LINE), ("nearest", IMAGE), ("nearest", VOLUME), ("linear", LINE), ("bilinear", IMAGE)),
        *(("trilinear", VOLUME), ("bicubic", IMAGE), ("area", IMAGE), ("nearest-exact", IMAGE)),
    )
    return {
        f"interpolate {mode} {len(shape) - 2}d": (
            _first(F.interpolate, scale_factor=2.0, mode=mode),
            (shape,),
        )
        for mode, shape in modes
    }


def _products() -> dict[str, Case]:
    cases: dict[str, Case] = {
        "linear": (F.linear, ((2, 5, 6), (7, 6), (7,))),
        "linear without bias": (F.linear, ((2, 5, 6), (7, 6))),
        "matmul": (torch.matmul, ((2, 3, 4, 5), (2, 3, 5, 6))),
        "matmul, broadcast": (torch.matmul, ((2, 3, 4, 5), (5, 6))),
        "addmm": (torch.addmm, ((4, 6), (4, 5), (5, 6))),
        "baddbmm": (torch.baddbmm, ((2, 4, 6), (2, 4, 5), (2, 5, 6))),
        "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), ((2, 4, 5), (2, 5, 6))),
        "bilinear": (F.bilinear, ((5, 6), (5, 7), (3, 6, 7))),
        "cdist": (torch.cdist, ((2, 40, 8), (2, 50, 8))),
        "cdist of few": (torch.cdist, ((2, 4, 8), (2, 5, 8))),
    }
    for dimensions, shape in enumerate((LINE, IMAGE, VOLUME), 1):
        channels = shape[1]
        weight, bias = (channels, 1, *(2,) * dimensions), (channels,)
        for groups in (1, channels):
            kernel = (channels, channels // groups, *weight[2:])
            for name in (f"conv{dimensions}d", f"conv_transpose{dimensions}d"):
                function = getattr(F, name)
                cases[f"{name} in {groups}"] = (
                    lambda x, w, b, function=function, groups=groups: function(x, w, b, groups=groups),
                    (shape, kernel, bias),
                )
    return cases


def _normalisations() -> dict[str, Case]:
    def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, *, training: bool) -> Tensor:
        zeros = torch.zeros(6, device=x.device)
        return F.batch_norm(x, zeros, zeros + 1, weight, bias, training)

    return {
        "layer_norm": (lambda x, w, b: F.layer_norm(x, (8,), w, b), (IMAGE, (8,), (8,))),
        "layer_norm without weights": (lambda x: F.layer_norm(x, (8, 8)), (IMAGE,)),
        "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (IMAGE, (6,), (6,))),
        "instance_norm": (lambda x, w, b: F.instance_norm(x, weight=w, bias=b), (IMAGE, (6,), (6,))),
        "batch_norm": (lambda x, w, b: batch_norm(x, w, b, training=True), (IMAGE, (6,), (6,))),
        "batch_norm, running": (lambda x, w, b: batch_norm(x, w, b, training=False), (IMAGE, (6,), (6,))),
        "local_response_norm": (lambda x: F.local_response_norm(x, 3), (IMAGE,)),
        "normalize": (lambda x: F.normalize(x, dim=1), (IMAGE,)),
        "weight_norm": (lambda v, g: torch._weight_norm(v, g, 0), ((6, 8), (6, 1))),
    }


def _movements() -> dict[str, Case]:
    return {
        **{
            f"pad {mode}": (_first(F.pad, (1, 1, 1, 1), mode=mode), (IMAGE,))
            for mode in ("constant", "reflect", "replicate", "circular")
        },
        "embedding": (lambda w: F.embedding(_indices(w, 3, 4), w), ((10, 6),)),
        "gather": (lambda x: x.gather(1, _indices(x, *IMAGE)), (IMAGE,)),
        "index": (lambda x: x[:, _indices(x, 3)], (IMAGE,)),
        "index_select": (lambda x: x.index_select(1, _indices(x, 3)), (IMAGE,)),
        "take": (lambda x: x.take(_indices(x, 3)), (IMAGE,)),
        "scatter": (lambda x, y: x.scatter(1, _indices(x, *IMAGE), y), (IMAGE, IMAGE)),
        "scatter_add": (lambda x, y: x.scatter_add(1, _indices(x, *IMAGE), y), (IMAGE, IMAGE)),
        "index_add": (lambda x, y: x.index_add(1, _indices(x, 6), y), (IMAGE, IMAGE)),
        "masked_fill": (lambda x: x.masked_fill(x > 0, 0.0), (IMAGE,)),
        "roll": (lambda x: x.roll(1, 2), (IMAGE,)),
        "flip": (lambda x: x.flip((2,)), (IMAGE,)),
        "repeat": (lambda x: x.repeat(2, 1, 1, 1), (IMAGE,)),
        "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), (IMAGE,)),
        "topk": (_first(torch.topk, 2), (IMAGE,)),
        "kthvalue": (_first(torch.kthvalue, 2), (IMAGE,)),
        "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), ((2, 8, 4, 4),)),
        "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), (IMAGE,)),
        "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), (IMAGE,)),
        "unfold": (lambda x: F.unfold(x, 3), (IMAGE,)),
        "fold": (lambda x: F.fold(x, (4, 4), 2), ((2, 8, 9),)),
        "grid_sample": (lambda x, g: F.grid_sample(x, g, align_corners=False), (IMAGE, (2, 5, 5, 2))),
        "affine_grid": (lambda t: F.affine_grid(t, [2, 3, 4, 4], align_corners=False), ((2, 2, 3),)),
        "cat": (lambda x, y: torch.cat([x, y], 1), (IMAGE, IMAGE)),
        "stack": (lambda x, y: torch.stack([x, y], 1), (IMAGE, IMAGE)),
        "split": (lambda x: x.split(3, 1)[0] * 1, (IMAGE,)),
        "chunks": (lambda x: torch.cat(x.chunk(2, 1)), (IMAGE,)),
        "slice": (lambda x: x[:, 1:3] * 1, (IMAGE,)),
        "expand": (lambda x: x.expand(IMAGE) * 1, ((1, 6, 1, 1),)),
        "to another type": (lambda x: x.to(torch.float16), (IMAGE,)),
        "contiguous": (lambda x: x.permute(0, 2, 3, 1).contiguous(), (IMAGE,)),
        "diag_embed": (lambda x: x.diag_embed(), (LINE,)),
    }


def _mixtures() -> dict[str, Case]:
    labels = (2, 8, 8)
    return {
        "gelu by tanh": (lambda x: F.gelu(x, approximate="tanh"), (IMAGE,)),
        "threshold": (lambda x: F.threshold(x, 0.1, 0.2), (IMAGE,)),
        "prelu": (F.prelu, (IMAGE, (6,))),
        "prelu of one weight": (F.prelu, (IMAGE, (1,))),
        "clamp": (lambda x: x.clamp(0.1, 0.5), (IMAGE,)),
        "power": (lambda x: x**3, (IMAGE,)),
        "where": (lambda x, y: torch.where(x > y, x, y), (IMAGE, IMAGE)),
        "lerp": (lambda x, y: torch.lerp(x, y, 0.3), (IMAGE, IMAGE)),
        "addcmul": (lambda x, y: torch.addcmul(x, x, y), (IMAGE, IMAGE)),
        "addcdiv": (lambda x, y: torch.addcdiv(x, x, y), (IMAGE, IMAGE)),
        "norm": (lambda x: x.norm(2, 1), (IMAGE,)),
        "norm of everything": (lambda x: x.norm(), (IMAGE,)),
        "cosine_similarity": (F.cosine_similarity, (IMAGE, IMAGE)),
        "soft_margin_loss": (lambda x, y: F.soft_margin_loss(x, y.detach()), (IMAGE, IMAGE)),
        "cross_entropy": (lambda x: F.cross_entropy(x, _indices(x, *labels)), (IMAGE,)),
        "cross_entropy, smoothed": (
            lambda x: F.cross_entropy(x, _indices(x, *labels), label_smoothing=0.1),
            (IMAGE,),
        ),
    }


OPERATORS: dict[str, Case] = {
    **{name: (_first(getattr(F, name)), (IMAGE,)) for name in _ACTIVATIONS},
    **{name: (_first(getattr(torch, name)), (IMAGE,)) for name in _ELEMENTWISE},
    **{f"{name} of channels": (_first(getattr(torch, name), 1), (IMAGE,)) for name in _ALONG_CHANNELS},
    **{name: (getattr(torch, name), (IMAGE, IMAGE)) for name in _OF_TWO},
    **{name: (getattr(F, name), (IMAGE, IMAGE)) for name in _LOSSES},
    **_pools(),
    **_resizes(),
    **_products(),
    **_normalisations(),
    **_movements(),
    **_mixtures(),
}
