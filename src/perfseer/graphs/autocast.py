"""Automatic mixed precision on the meta device, where torch's own autocast does nothing.

Autocast is a feature of backends and meta tensors have none, so a capture under `torch.autocast` shows
single precision throughout. `Autocast` applies the same policy to every function called meanwhile: products
and convolutions in the lower precision, sums over many elements and normalisations in single precision, the
rest in whatever its inputs promote to. Operators' passports say which is which, after torch's documentation
("CUDA Ops that can autocast"); a parameter is cast once for each forward pass, as torch's cache does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from perfseer.graphs.vocabulary import words_of

# Whether a function runs in the lower precision; in-place variants keep the type of what they write. Names as
# functions, methods and operators go by; torch.nn.functional and torch.Tensor share them.
_LOWERS: dict[str, bool] = {
    **dict.fromkeys(words_of(lambda passport: passport.narrow_functions), True),
    **dict.fromkeys(words_of(lambda passport: passport.wide_functions), False),
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
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            if value.dtype in (dtype, torch.float64):
                return value
            return self._parameter(value, dtype) if isinstance(value, nn.Parameter) else value.to(dtype)

        return cast

    def _parameter(self, parameter: Tensor, dtype: torch.dtype) -> Tensor:
        """The parameter in lower precision: cast when it is first used, kept until the mode ends."""
        key = id(parameter)
        if key not in self._cast:
            self._cast[key] = (parameter, parameter.to(dtype))
        return self._cast[key][1]
