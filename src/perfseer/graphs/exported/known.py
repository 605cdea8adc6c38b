"""Numbers that a program computes from constants alone, such as the counter of a loop.

Tensors of a capture have no values, so how often a ``while_loop`` runs would be unknown. Where a tensor of
one element comes from constants by the few operators that counters use, its number is kept beside it.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from perfseer.graphs.exported.arguments import LARGEST_NUMBER

Number = int | float | bool

_SAME = frozenset(
    {"lift_fresh_copy", "lift_fresh", "detach", "detach_", "clone", "alias", "view", "reshape", "squeeze"}
    | {"unsqueeze", "contiguous", "to", "_to_copy"}
)
_CONVERSIONS = frozenset({"to", "_to_copy"})
_COMPUTED: Mapping[str, Callable[..., Number]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "lt", "le", "gt", "ge", "eq", "ne")},
    "logical_not": operator.not_,
    "logical_and": lambda a, b: bool(a) and bool(b),
    "logical_or": lambda a, b: bool(a) or bool(b),
    "bitwise_and": operator.and_,
}
_MADE: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "zeros": lambda _: 0,
    "ones": lambda _: 1,
    "full": lambda given: given["fill_value"],
    "scalar_tensor": lambda given: given["s"],
}


class KnownNumbers:
    """Numbers of tensors that have one element, for as long as a run lasts."""

    def __init__(self) -> None:
        # tensors are kept, so that no other gets the address of one that is gone
        self._numbers: dict[int, tuple[Tensor, Number]] = {}

    def of(self, value: Any) -> Number | None:
        """The number of a value, None where it depends on the data."""
        if isinstance(value, int | float):
            return value
        return self._numbers.get(id(value), (None, None))[1]

    def keep(self, tensor: Tensor, number: Number) -> None:
        """Remember the number of a tensor, unless it is beyond what a counter counts."""
        if abs(number) < LARGEST_NUMBER:
            self._numbers[id(tensor)] = (tensor, number)

    def follow(self, name: str, given: Mapping[str, Any], result: Any) -> None:
        """Work out what a call did to numbers that are known."""
        if name.endswith("_") and name not in _SAME:
            self._numbers.clear()  # what else shares the memory is not known
        elif isinstance(result, Tensor) and result.numel() == 1:
            number = self._result(name, given)
            if number is not None:
                self.keep(result, number)

    def _result(self, name: str, given: Mapping[str, Any]) -> Number | None:
        if name in _MADE:
            made = _MADE[name](given)
            return made if isinstance(made, int | float) else None
        own = self.of(given.get("self"))
        if name in _CONVERSIONS and isinstance(own, float):
            return None
        if name in _SAME or own is None:
            return own
        function = _COMPUTED.get(name)
        if function is None or "alpha" in given:
            return None
        if "other" not in given:
            return function(own) if name == "logical_not" else None
        other = self.of(given["other"])
        return None if other is None else function(own, other)
