"""ATen operators in PerfSeer's words: vocabulary entry and the thirteen hyper-parameters (METHODS 1.1)."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX

Hyperparameters = tuple[int, ...]
NO_HYPERPARAMETERS: Hyperparameters = (0,) * len(HYPERPARAMETERS)

# ATen names without overload and without the trailing underscore of in-place variants. What depends on the
# arguments (addition of a tensor or of a number, mean over all pixels) is decided by `describe`.
_NAMES: dict[str, str] = {
    "conv": "convolution _convolution cudnn_convolution mkldnn_convolution _slow_conv2d_forward"
    " convolution_overrideable _conv_depthwise2d conv_depthwise3d slow_conv3d_forward",
    "relu": "relu",
    "batch_norm": "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training"
    " cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update batch_norm_elemt",
    "concat": "cat stack",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d",
    "linear": "linear mkldnn_linear",
    "max_pool": "max_pool2d_with_indices max_pool3d_with_indices max_pool2d mkldnn_max_pool2d"
    " adaptive_max_pool2d adaptive_max_pool3d",
    "add": "add",
    "matmul": "mm addmm bmm baddbmm mv addmv dot vdot addbmm addr _scaled_mm",
    "attention": "scaled_dot_product_attention _scaled_dot_product_flash_attention"
    " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
    " _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_fused_attention_overrideable"
    " _flash_attention_forward _efficient_attention_forward _native_multi_head_attention",
    "layer_norm": "native_layer_norm _fused_rms_norm",
    "group_norm": "native_group_norm",
    "activation": "gelu silu sigmoid tanh hardswish hardsigmoid hardtanh leaky_relu elu celu selu mish"
    " softplus softshrink hardshrink _prelu_kernel prelu glu log_sigmoid_forward threshold relu6"
    " rrelu_with_noise clamp clamp_min clamp_max",
    "softmax": "_softmax _log_softmax _safe_softmax",
    "mul": "mul",
    "elementwise": "sub rsub div neg exp exp2 expm1 log log1p log2 log10 sqrt rsqrt pow square abs where"
    " masked_fill maximum minimum eq ne lt le gt ge logical_and logical_or logical_not logical_xor"
    " bitwise_and bitwise_or bitwise_not bitwise_xor reciprocal sin cos tan atan atan2 erf erfc floor ceil"
    " round trunc frac remainder fmod floor_divide lerp addcmul addcdiv sign sgn isnan isinf isfinite"
    " nan_to_num xlogy sinh cosh asin acos asinh acosh atanh _weight_norm_interface",
    "reduce": "mean sum amax amin max min var std var_mean std_mean prod argmax argmin norm"
    " linalg_vector_norm cumsum cumprod logsumexp any all count_nonzero _cdist_forward aminmax",
    "copy": "clone copy _to_copy constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d"
    " replication_pad2d repeat roll flip tril triu zeros ones full arange linspace zeros_like ones_like"
    " full_like new_zeros new_ones new_full fill zero scalar_tensor eye pixel_shuffle pixel_unshuffle"
    " channel_shuffle im2col col2im rand randn randint rand_like randn_like normal uniform bernoulli"
    " exponential random",
    "embedding": "embedding _embedding_bag _embedding_bag_forward_only",
    "index": "index index_select gather scatter scatter_add scatter_reduce index_put index_add index_copy"
    " index_fill masked_select topk sort nonzero take slice_scatter select_scatter masked_scatter"
    " bucketize searchsorted unique_consecutive _unique2",
    "resize": "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d"
    " upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa"
    " _upsample_bicubic2d_aa _upsample_nearest_exact2d grid_sampler_2d grid_sampler_3d",
    "loss": "nll_loss_forward nll_loss2d_forward mse_loss smooth_l1_loss huber_loss binary_cross_entropy"
    " soft_margin_loss kl_div _ctc_loss",
}
_VOCABULARY: dict[str, int] = {
    name: OPERATOR_INDEX[operator] for operator, names in _NAMES.items() for name in names.split()
}

Description = tuple[int, Hyperparameters]
Describer = Callable[[Sequence[Any], frozenset[int]], Description]


def vocabulary_index(aten_name: str) -> int:
    """Vocabulary index of an ATen name such as ``relu_``; 0 (``other``) if it has none.

    In-place variants share the entry of the functional operator.
    """
    index = _VOCABULARY.get(aten_name)
    if index is None and aten_name.endswith("_"):
        index = _VOCABULARY.get(aten_name[:-1])
    return 0 if index is None else index


def describer(aten_name: str) -> Describer | None:
    """How to read operator and hyper-parameters off the arguments; None where the name says it all.

    The describer takes the positional arguments and the positions of those that are parameters or buffers.
    """
    return _DESCRIBERS.get(aten_name.rstrip("_") if aten_name.endswith("_") else aten_name)


def _hyperparameters(**values: int) -> Hyperparameters:
    return tuple(values.get(name, 0) for name in HYPERPARAMETERS)


def _one(value: Any, default: int = 0) -> int:
    """One integer for a size per dimension: the largest (1 x 7 and 7 x 1 kernels are both 7)."""
    if isinstance(value, int):
        return int(value)
    return max(value, default=default)


def _argument(args: Sequence[Any], position: int, default: Any) -> Any:
    return args[position] if len(args) > position else default


def _convolution(args: Sequence[Any], _: frozenset[int]) -> Description:
    groups = args[8] if len(args) > 8 else 1
    return OPERATOR_INDEX["conv"], (
        max(args[1].shape[2:], default=1),
        _one(args[3], 1),
        _one(args[4]),
        _one(args[5], 1),
        groups,
        int(args[2] is not None),
        *NO_HYPERPARAMETERS[6:],
    )


def _linear(n_in: int, n_out: int, bias: bool) -> Description:
    values = _hyperparameters(linear_in=n_in, linear_out=n_out, linear_bias=int(bias))
    return OPERATOR_INDEX["linear"], values


def _addmm(args: Sequence[Any], weights: frozenset[int]) -> Description:
    if 2 in weights:
        return _linear(args[2].shape[0], args[2].shape[1], bias=True)
    return OPERATOR_INDEX["matmul"], NO_HYPERPARAMETERS


def _mm(args: Sequence[Any], weights: frozenset[int]) -> Description:
    if 1 in weights:
        return _linear(args[1].shape[0], args[1].shape[1], bias=False)
    return OPERATOR_INDEX["matmul"], NO_HYPERPARAMETERS


def _aten_linear(args: Sequence[Any], _: frozenset[int]) -> Description:
    weight = args[1]
    return _linear(weight.shape[1], weight.shape[0], _argument(args, 2, None) is not None)


def _pool(operator: str, ceil_position: int) -> Describer:
    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        kernel = args[1]
        stride = _argument(args, 2, ()) or kernel
        return OPERATOR_INDEX[operator], _hyperparameters(
            pool_kernel=_one(kernel),
            pool_stride=_one(stride),
            pool_padding=_one(_argument(args, 3, 0)),
            pool_ceil=int(_argument(args, ceil_position, False)),
        )

    return describe


def _adaptive_pool(operator: str) -> Describer:
    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        sizes = args[0].shape[-len(args[1]) :]
        # windows of ceil(in / out) pixels, floor(in / out) apart, wherever in is a multiple of out
        kernel = max(-(-size // out) for size, out in zip(sizes, args[1], strict=True))
        stride = max(size // out for size, out in zip(sizes, args[1], strict=True))
        whole = operator == "avg_pool" and all(out == 1 for out in args[1])
        index = OPERATOR_INDEX["global_avg_pool" if whole else operator]
        return index, _hyperparameters(pool_kernel=kernel, pool_stride=max(stride, 1))

    return describe


def _mean(args: Sequence[Any], _: frozenset[int]) -> Description:
    source, dims = args[0], _argument(args, 1, None)
    if source.dim() == 4 and dims is not None and sorted(d % 4 for d in dims) == [2, 3]:
        side = max(source.shape[2:])
        return OPERATOR_INDEX["global_avg_pool"], _hyperparameters(pool_kernel=side, pool_stride=side)
    return OPERATOR_INDEX["reduce"], NO_HYPERPARAMETERS


def _with_tensor(operator: str) -> Describer:
    """``x + y`` is an addition of tensors; ``x + 1`` is element-wise."""

    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        two = len(args) > 1 and isinstance(args[0], Tensor) and isinstance(args[1], Tensor)
        return OPERATOR_INDEX[operator if two else "elementwise"], NO_HYPERPARAMETERS

    return describe


_DESCRIBERS: dict[str, Describer] = {
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
    "addmm": _addmm,
    "mm": _mm,
    "linear": _aten_linear,
    "max_pool2d_with_indices": _pool("max_pool", 5),
    "max_pool3d_with_indices": _pool("max_pool", 5),
    "avg_pool2d": _pool("avg_pool", 4),
    "avg_pool3d": _pool("avg_pool", 4),
    "_adaptive_avg_pool2d": _adaptive_pool("avg_pool"),
    "_adaptive_avg_pool3d": _adaptive_pool("avg_pool"),
    "adaptive_max_pool2d": _adaptive_pool("max_pool"),
    "adaptive_max_pool3d": _adaptive_pool("max_pool"),
    "mean": _mean,
    "add": _with_tensor("add"),
    "mul": _with_tensor("mul"),
}
