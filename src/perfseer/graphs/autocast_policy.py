"""Automatic mixed precision on the meta device, where torch's own autocast does nothing.

Autocast is a feature of backends and meta tensors have none. Here its policy is registered with torch's
dispatcher once more, under an autocast key that no tensor of this build carries, for meta tensors. So what
torch's own autocast sees is seen here as well: operators inside TorchScript, of a checkpoint that runs
again, of an autograd function. Which operator runs in what stands in operators' passports, after
`ATen/autocast_mode.h`; beside these, recurrent layers run in the lower precision, as their cuDNN kernels do.
`switches` makes torch's own regions (`torch.autocast`) steer it.
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.passport import Passport
from perfseer.graphs.vocabulary import words_of

_KEY = "AutocastIPU"  # of all autocast keys the one that torch registers nothing for
_DISPATCH_KEY = getattr(torch._C.DispatchKey, _KEY)
_KEYS = torch._C.DispatchKeySet(_DISPATCH_KEY)
_LIBRARIES: list[Any] = []  # registrations last as long as these
_REGISTERED: set[str] = set()
# Weights in lower precision, by identity: cast when first used, kept until the outermost region ends.
_CASTS: dict[int, tuple[Tensor, Tensor]] = {}

Kernel = Callable[..., Any]


def without_autocast() -> Any:
    """A context in which operators run in what they are given, though autocast is on."""
    return torch._C._ExcludeDispatchKeyGuard(_KEYS)


def forget_casts() -> None:
    """Drop the weights that were cast."""
    _CASTS.clear()


def apply_to_meta(active: bool) -> None:
    """Apply the policy in this thread from here on, or stop it."""
    if active:
        _register(len(sys.modules))
    torch._C._dispatch_tls_set_dispatch_key_excluded(_DISPATCH_KEY, not active)
    torch._C._dispatch_tls_set_dispatch_key_included(_DISPATCH_KEY, active)


# -- policies: how autocast calls an operator -----------------------------------------------------------


def _narrow(operator: Any) -> Kernel:
    def run(*args: Any, **kwargs: Any) -> Any:
        with without_autocast():
            return _called(operator, args, kwargs, torch.get_autocast_dtype("cuda"))

    return run


def _wide(operator: Any) -> Kernel:
    def run(*args: Any, **kwargs: Any) -> Any:
        with without_autocast():
            return _called(operator, args, kwargs, torch.float32)

    return run


def _promoted(operator: Any) -> Kernel:
    def run(*args: Any, **kwargs: Any) -> Any:
        with without_autocast():
            dtype = torch.get_autocast_dtype("cuda")
            types = {t.dtype for t in _tensors((args, kwargs)) if _is_cast(t)}
            return _called(operator, args, kwargs, dtype if types <= {dtype} else torch.float32)

    return run


def _widened(operator: Any) -> Kernel:
    """Kernels of these read 16 bits and write 32, so nothing is cast before."""
    target = _WITH_TYPE.get(operator, operator)
    place = [argument.name for argument in target._schema.arguments].index("dtype")
    soft = _SOFT.get(operator)

    def run(*args: Any, **kwargs: Any) -> Any:
        with without_autocast():
            given = args[place] if place < len(args) else kwargs.get("dtype")
            if given is not None or not (args[0].is_meta and _is_cast(args[0])):
                return operator(*args, **kwargs)
            if soft is not None and args[0].dtype == torch.float16:
                return soft(args[0], args[1], True)
            return target(*args[:place], **{**kwargs, "dtype": torch.float32})

    return run


def _banned(operator: Any) -> Kernel:
    def run(*_: Any, **__: Any) -> Any:
        raise PerfseerError(
            f"{operator._schema.name.split('::')[-1]} (nn.BCELoss) is refused by torch's autocast as unsafe; "
            "use nn.BCEWithLogitsLoss, or a precision without autocast"
        )

    return run


_aten = torch.ops.aten
# The same operator with the type of its result; softmax in one kernel from float16.
_WITH_TYPE = {
    _aten.norm.Scalar: _aten.norm.ScalarOpt_dtype,
    _aten.norm.ScalarOpt_dim: _aten.norm.ScalarOpt_dim_dtype,
}
_SOFT = {_aten.softmax.int: _aten._softmax, _aten.log_softmax.int: _aten._log_softmax}
_POLICIES: tuple[tuple[Callable[[Any], Kernel], Callable[[Passport], str]], ...] = (
    (_narrow, lambda passport: passport.narrow_functions),
    (_wide, lambda passport: passport.wide_functions),
    (_widened, lambda passport: passport.widened_functions),
    (_promoted, lambda passport: passport.promoted_functions),
    (_banned, lambda passport: "binary_cross_entropy" if passport.name == "loss" else ""),
)


def _called(operator: Any, args: Any, kwargs: dict[str, Any], dtype: torch.dtype) -> Any:
    """The operator on operands of this type; on constants alone, which the cpu computes, as they are."""
    if any(t.is_meta for t in _tensors((args, kwargs))):
        args, kwargs = _cast(args, dtype), _cast(kwargs, dtype)
    return operator(*args, **kwargs)


def _is_cast(tensor: Tensor) -> bool:
    # a number from the cpu stays one on a GPU; other constants join the tensors on the meta device
    return (
        tensor.is_floating_point() and tensor.dtype != torch.float64 and (tensor.is_meta or tensor.dim() > 0)
    )


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value if value.dtype == dtype or not _is_cast(value) else _converted(value, dtype)
    if isinstance(value, list | tuple):
        return type(value)(_cast(item, dtype) for item in value)
    if isinstance(value, dict):
        return {name: _cast(item, dtype) for name, item in value.items()}
    return value


def _converted(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """In another type; what is trained is cast once in a region, as torch's cache does."""
    cached = (
        dtype != torch.float32
        and tensor.dtype == torch.float32
        and tensor.requires_grad
        and tensor.is_leaf
        and not tensor._is_view()
        and torch.is_autocast_cache_enabled()
    )
    if not cached:
        return tensor.to(dtype)
    kept = _CASTS.get(id(tensor))
    wanted = torch.is_grad_enabled()  # a copy made without gradients has none to pass on
    if kept is None or kept[1].dtype != dtype or wanted > kept[1].requires_grad:
        kept = _CASTS[id(tensor)] = (tensor, tensor.to(dtype))
    return kept[1]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


# -- registration ---------------------------------------------------------------------------------------


@cache
def _register(modules: int) -> None:
    """Register the policies; again when there are other modules, since operators come with libraries."""
    del modules
    if not _LIBRARIES:
        _library("_").fallback(torch.library.fallthrough_kernel)  # what is on no list runs as it is
    policies = {word: policy for policy, text in _POLICIES for word in words_of(text)}
    names = torch._C._dispatch_get_all_op_names()
    for name in sorted(names, key=lambda name: not name.startswith("aten::")):  # torch's own before others'
        namespace, _, word = name.partition("::")
        if word in policies and word not in _REGISTERED:
            _REGISTERED.add(word)
            _library(namespace).impl(word, policies[word](_overload(namespace, word)))


@cache
def _library(namespace: str) -> Any:
    library = torch.library.Library(namespace, "IMPL", _KEY)
    _LIBRARIES.append(library)
    return library


def _overload(namespace: str, name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet), overload or "default")
