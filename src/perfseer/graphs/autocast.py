"""Automatic mixed precision on the meta device, where torch's own autocast does nothing.

Autocast is a feature of backends and meta tensors have none, so a capture under `torch.autocast` shows
single precision throughout. `Autocast` applies the same policy to every function called meanwhile: products
and convolutions in the lower precision, sums over many elements and normalisations in single precision, the
rest in whatever its inputs promote to. The lists are those of torch's documentation ("CUDA Ops that can
autocast"); a parameter is cast once for each forward pass, as torch's cache does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

# Names as functions, methods and operators go by; torch.nn.functional and torch.Tensor share them.
_LOWER = """
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc linear
    matmul mm mv bmm addmm addmv addr addbmm baddbmm chain_matmul multi_dot einsum prelu
    scaled_dot_product_attention multi_head_attention_forward __matmul__ __rmatmul__ gru_cell
    lstm_cell rnn_tanh_cell rnn_relu_cell
"""
_SINGLE = """
    acos asin cosh cosine_embedding_loss cdist cosine_similarity cross_entropy cumprod cumsum
    dist erfinv exp expm1 group_norm hinge_embedding_loss kl_div l1_loss layer_norm log log10
    log_softmax log1p log2 margin_ranking_loss mse_loss multilabel_margin_loss multi_margin_loss
    nll_loss norm normalize pdist poisson_nll_loss pow __pow__ __rpow__ prod reciprocal rms_norm
    rsqrt sinh smooth_l1_loss soft_margin_loss softmax softmin softplus sum renorm tan
    triplet_margin_loss instance_norm
"""
# Whether a function runs in the lower precision; in-place variants keep the type of what they write.
_LOWERS: dict[str, bool] = {
    **dict.fromkeys(_LOWER.split(), True),
    **dict.fromkeys(_SINGLE.split(), False),
}


class Autocast(TorchFunctionMode):
    """While active, functions on meta tensors run in the precision that autocast on a GPU would choose.

    Args:
        dtype: the lower precision, float16 or bfloat16.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        self._cast: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` with its floating-point arguments in the precision of its list."""
        del types
        lower = _LOWERS.get(getattr(func, "__name__", ""))
        kwargs = dict(kwargs or {})
        if lower is None:
            return func(*args, **kwargs)
        cast = self._to(self._dtype if lower else torch.float32)
        return func(*tree_map(cast, tuple(args)), **tree_map(cast, kwargs))

    def _to(self, dtype: torch.dtype) -> Callable[[Any], Any]:
        def cast(value: Any) -> Any:
            if not isinstance(value, Tensor) or not value.is_floating_point() or value.dtype == dtype:
                return value
            if value.dtype == torch.float64:
                return value
            return self._parameter(value, dtype) if isinstance(value, nn.Parameter) else value.to(dtype)

        return cast

    def _parameter(self, parameter: Tensor, dtype: torch.dtype) -> Tensor:
        """The parameter in lower precision: cast when it is first used, kept until the mode ends."""
        key = id(parameter)
        if key not in self._cast:
            self._cast[key] = (parameter, parameter.to(dtype))
        return self._cast[key][1]
