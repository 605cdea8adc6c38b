"""What the schema of an ATen overload says about it, read once per process."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from perfseer.graphs.arguments import Describer
from perfseer.graphs.costs import FlopFormula, flop_formula
from perfseer.graphs.passport import PASSPORTS
from perfseer.graphs.shapes import SHAPE_RULES, ShapeRule
from perfseer.graphs.vocabulary import aten_index, words_of

# Alias their input although the schema does not say so, or allocate without touching memory.
_MOVES_NOTHING = {
    *("_unsafe_view", "lift_fresh", "alias", "detach", "detach_", "_reshape_alias", "set_", "is_same_size"),
    *("unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk"),
    *("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"),
}
_OWN_NAMESPACES = {"aten", "prims"}
_NOISE = {"bernoulli", "bernoulli_", "native_dropout", "_fused_dropout"}
_OVERWRITES = words_of(lambda passport: passport.overwrites)
_FILLS = words_of(lambda passport: passport.fills)
_GATHERS = words_of(lambda passport: passport.gathers)
_STATISTICS = words_of(lambda passport: passport.statistics)
_DESCRIBERS = {name: describe for passport in PASSPORTS for name, describe in passport.describers.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """One ATen overload.

    Attributes:
        name: ATen name without overload, for example ``convolution``; somebody else's operators have their
            namespace before it, as in ``torchvision.nms``, and are none of the vocabulary.
        silent: moves no data (views, aliases, allocations, questions about sizes).
        composite: a composition of other operators that must be traced instead of it.
        operator: vocabulary index the name gives.
        describe: reads operator and hyper-parameters off the arguments, if they matter.
        flops: FLOP formula, None where torch counts nothing.
        shape_rule: replaces the meta kernel, if there is one.
        mutated: position and name of each argument written in place or through ``out``.
        overwrites: what is written in place is not read.
        fills: reads none of its arguments.
        gathers: reads no more of its first argument than it returns.
        noise: draws a dropout mask.
        one_output: only the first output counts as written.
    """

    name: str
    silent: bool
    composite: bool
    operator: int
    describe: Describer | None
    flops: FlopFormula | None
    shape_rule: ShapeRule | None
    mutated: tuple[tuple[int, str], ...]
    overwrites: bool
    fills: bool
    gathers: bool
    noise: bool
    one_output: bool


@cache
def facts_of(func: Any) -> Facts:
    """Facts of an overload (a `torch._ops.OpOverload`)."""
    schema = func._schema
    namespace, name = schema.name.split("::")
    if namespace not in _OWN_NAMESPACES:
        name = f"{namespace}.{name}"
    formula, rule = flop_formula(func), SHAPE_RULES.get(func)
    mutated = tuple(
        (position, argument.name)
        for position, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    silent = _is_silent(func, name, writes=bool(mutated))
    return Facts(
        name=name,
        silent=silent,
        composite=formula is None and rule is None and not silent and _is_composite(func),
        operator=aten_index(name),
        describe=_DESCRIBERS.get(name.removesuffix("_")),
        flops=formula,
        shape_rule=rule,
        mutated=mutated,
        overwrites=name in _OVERWRITES or any(argument.is_out for argument in schema.arguments),
        fills=name in _FILLS,
        gathers=name in _GATHERS,
        noise=name in _NOISE,
        one_output=name in _STATISTICS,
    )


def _is_composite(func: Any) -> bool:
    """Composite kernels reach a dispatch mode only in inference mode, where autograd leaves them whole."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _is_silent(func: Any, name: str, *, writes: bool) -> bool:
    returns_tensor = any("Tensor" in str(item.type) for item in func._schema.returns)
    in_place_view = torch.Tag.inplace_view in func.tags
    # a composition that may be a view may be a copy as well: `to`, `reshape`, `contiguous`
    view = func.is_view and not _is_composite(func)
    return view or in_place_view or name in _MOVES_NOTHING or not (returns_tensor or writes)
