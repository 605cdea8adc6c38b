"""Masks among a model's inputs, whose values a capture does not have.

Models ask of a mask whether anything is masked at all (`mask.all()`, `0 in mask`) and take a shorter way if
not. The answer is that of the general case: some positions are masked and some are not. So a mask carries
small values of that kind with it, and what is computed from masks and constants alone is computed from those
too, once somebody asks whether it is true. A number (`mask.sum().item()`) is not told: it is in the data.

Integers that a model compares with a number (`ids == padding`) give a mask. As lengths of sequences they are
taken to be the longest there may be.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

_MOST_ELEMENTS = 2**22  # of the values that stand for a mask
_COMPARISONS = {"eq", "ne", "__eq__", "__ne__", "isin"}
_QUESTIONS = {"__bool__", "is_nonzero", "equal", "allclose", "__contains__"}
_NUMBERS = {"item", "__int__", "__float__"}
_EXTREMES = {"min", "max", "amin", "amax"}
# How many are masked, and where, differs from batch to batch.
_COUNTS = {"sum", "cumsum", "count_nonzero", "mean", "prod", "bincount", "matmul", "__matmul__", "einsum"}
_POSITIONS = {"argmin", "argmax", "argsort", "sort", "topk", "nonzero", "unique"}
_WRITES = {
    "__setitem__",
    "__iadd__",
    "__isub__",
    "__imul__",
    "__itruediv__",
    "__iand__",
    "__ior__",
    "__ixor__",
}
_NAMES = ("mask", "pad")

Values = Callable[[], Tensor]


class Known(Tensor):
    """An input of which something is known besides its shape, or what was computed from such alone.

    Attributes:
        values: gives values of the general case; None for integers that are no mask.
        counted: whether they come from how many are masked.
        extreme: whether they are the least or the greatest of a mask, which every such mask has.
    """

    values: Values | None = None
    counted = False
    extreme = False

    @classmethod
    def of(cls, tensor: Tensor, values: Values | None) -> "Known":
        """The same storage, with values."""
        known: Known = Tensor._make_subclass(cls, tensor)
        known.values = values
        return known

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the function on the meta device, and remember how to run it on the values."""
        del types
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _QUESTIONS or name in _NUMBERS:
            return _answer(func, name, args, kwargs)
        if name == "_assert":  # of the data, which is taken to be right
            return None
        if name in ("cpu", "cuda"):
            return args[0]
        with torch._C.DisableTorchFunctionSubclass():
            if name == "_pack_padded_sequence":
                return func(args[0], _longest(*args), *args[2:], **kwargs)
            if name == "to":
                args, kwargs = tree_map(_staying, (tuple(args), kwargs))
            out = func(*args, **kwargs)
        if _writes(name):
            _forget(args[0])
            return out
        return out if name == "__get__" else _known_results(func, name, args, kwargs, out)


def with_masks(
    module: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs, masks and integers among them as `Known`.

    A mask is what is logical, or has a name with "mask" or "pad" in it.
    """
    names = [*_parameter_names(module), *[""] * len(inputs)]
    positional = tuple(_known(value, name) for value, name in zip(inputs, names, strict=False))
    return positional, {name: _known(value, name) for name, value in keywords.items()}


def _parameter_names(module: nn.Module) -> list[str]:
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # not written in Python
        return []
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def _known(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _known(item, str(key)) for key, item in value.items()}
    if isinstance(value, Tensor):
        if value.dtype == torch.bool or any(word in name.lower() for word in _NAMES):
            return Known.of(value, _general(value))
        whole = not value.is_floating_point() and not value.is_complex()
        return Known.of(value, None) if whole else value
    return type(value)(_known(item, name) for item in value) if type(value) in (list, tuple) else value


def _general(tensor: Tensor) -> Values:
    """Ones and a zero at the end: some positions are masked and some are not, whatever stands for it."""
    shape, dtype = tensor.shape, tensor.dtype

    @cache
    def values() -> Tensor:
        _check_size(tensor)
        ones = torch.ones(shape, dtype=dtype, device="cpu")
        ones.view(-1)[-1:] = 0
        return ones

    return values


# -- questions ------------------------------------------------------------------------------------------


def _answer(func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    told = name not in _NUMBERS or args[0].extreme or args[0].dtype == torch.bool
    if told and all(map(_has_values, _tensors((args, kwargs)))):
        with _disable_current_modes():  # no work of the model's
            return _on_values(func, args, kwargs)
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)  # torch says that there is none


def _has_values(tensor: Tensor) -> bool:
    return tensor.values is not None if isinstance(tensor, Known) else not tensor.is_meta


def _on_values(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return func(*tree_map(_value, tuple(args)), **tree_map(_value, dict(kwargs)))


def _value(value: Any) -> Any:
    if isinstance(value, Known) and value.values is not None:
        return value.values()
    return torch.device("cpu") if value == torch.device("meta") or value == "meta" else value


def _check_size(tensor: Tensor) -> None:
    if tensor.numel() > _MOST_ELEMENTS:
        raise ValueError("the mask that is asked for its values is too large to stand in for it")


# -- results --------------------------------------------------------------------------------------------


def _known_results(func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Any:
    read = _tensors((args, kwargs))
    if name not in _POSITIONS and all(map(_has_values, read)):
        leaves, structure = tree_flatten(out)

        @cache
        def results() -> list[Any]:
            for leaf in leaves:
                if isinstance(leaf, Tensor):
                    _check_size(leaf)
            return tree_leaves(_on_values(func, args, kwargs))

        counted = name in _COUNTS or any(t.counted for t in read if isinstance(t, Known))

        def known(place: int, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            result = Known.of(leaf, lambda: results()[place])
            result.counted, result.extreme = counted, name in _EXTREMES and not counted
            return result

        return structure.unflatten(known(place, leaf) for place, leaf in enumerate(leaves))
    if not all(isinstance(t, Known) or not t.is_meta for t in read):
        return out
    return tree_map(lambda leaf: _of_integers(leaf, compared=name in _COMPARISONS), out)


def _of_integers(result: Any, *, compared: bool) -> Any:
    """What integers became: integers, or a mask once they are compared with numbers."""
    if not isinstance(result, Tensor) or result.is_floating_point() or result.is_complex():
        return result
    mask = compared and result.dtype == torch.bool
    return Known.of(result, _general(result) if mask else None)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _writes(name: str) -> bool:
    in_place = name.endswith("_") and not name.endswith("__")
    return in_place or name in _WRITES


def _forget(target: Any) -> None:
    if isinstance(target, Known):
        target.values = None


def _staying(value: Any) -> Any:
    """Everything is on the meta device, wherever a model sends it."""
    if isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda")):
        return torch.device("meta")
    return value


def _longest(padded: Tensor, lengths: Tensor, batch_first: bool = False) -> Tensor:
    """[N] lengths of sequences that fill all of [N, T, ..] or [T, N, ..]."""
    return torch.full(tuple(lengths.shape), padded.shape[1 if batch_first else 0], device="cpu")
