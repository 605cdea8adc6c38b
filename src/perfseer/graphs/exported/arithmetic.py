"""Arithmetic on sizes, as exported programs do it with operators of Python: on numbers, within bounds."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perfseer.errors import require
from perfseer.graphs.exported.arguments import LARGEST_NUMBER

_MOST_BITS = 64


def _power(base: Any, exponent: Any) -> Any:
    require(abs(exponent) <= _MOST_BITS, "a power grows beyond all bounds")
    return base**exponent


def _shift(function: Callable[..., Any]) -> Callable[..., Any]:
    def shifted(value: int, places: int) -> int:
        require(places <= _MOST_BITS, "a shift grows beyond all bounds")
        return int(function(value, places))

    return shifted


# Arithmetic on sizes.
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in (
            *("add", "sub", "mul", "floordiv", "mod", "neg", "pos", "truediv"),
            *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_"),
        )
    },
    **{"_operator.pow": _power, "_operator.lshift": _shift(operator.lshift)},
    **{"_operator.rshift": _shift(operator.rshift), "torch.sym_ite": lambda b, t, f: t if b else f},
    **{"torch.sym_max": max, "torch.sym_min": min, "torch.sym_int": int, "torch.sym_float": float},
    **{"torch.sym_not": operator.not_, "math.trunc": math.trunc, "math.floor": math.floor},
    **{"math.ceil": math.ceil, "torch.sym_sqrt": math.sqrt, "torch._sym_sqrt": math.sqrt},
    **{"builtins.round": round, "round": round, "torch.sym_sum": lambda parts: sum(parts)},
}


def arithmetic(target: str, arguments: Sequence[Any]) -> Any:
    """The result of arithmetic on sizes, ``NotImplemented`` where the target is none.

    Raises:
        PerfseerError: an argument is no number, or one beyond all bounds.
    """
    if target == "_operator.getitem":
        sequence, index = arguments
        require(isinstance(sequence, list | tuple) and isinstance(index, int), "it takes no item of a list")
        return sequence[index]
    function = _ARITHMETIC.get(target)
    if function is None:
        return NotImplemented
    numbers = arguments[0] if target == "torch.sym_sum" else arguments
    require(
        all(isinstance(n, int | float) and not abs(n) > LARGEST_NUMBER for n in numbers),
        "arithmetic on sizes takes numbers alone",
    )
    return function(*arguments)
