"""Single operators by name: what others timed apart, as modules and inputs of their own.

``operator:<call>`` names one call with all its sizes, so that no two shapes share a name::

    conv(2x16x10x10->32,kernel=3,stride=1,padding=1)    linear(1x58x141->13)
    bmm(3x5x7,3x7x11)        add(5x7,5x7)               add_number(5x7)
    embedding(58->140,rows=1000)@fp16                   rotary(58x40x128)@fp16

Sizes are those of the inputs; behind the arrow stands how wide the output is. Two of them stand for kernels
that torch does not have, and read and write the same tensors: ``silu_and_mul`` is torch's gated linear unit,
``rotary`` multiplies and adds heads [T, heads, width] with a row of [T, 1, width] for each token.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perfseer.errors import PerfseerError, require

Shape = tuple[int, ...]

_CALL = re.compile(
    r"(\w{1,30})\(([0-9]{1,9}(?:[x,][0-9]{1,9})*)(?:->([0-9]{1,9}))?((?:,[a-z]+=[0-9]{1,9})*)\)(@fp16)?"
)
# Any number: the element-wise operators do the same work whatever it is.
_NUMBER = 0.7


@dataclass(frozen=True)
class Operator:
    """One call.

    Attributes:
        name: of `OPERATORS`.
        shapes: of its inputs.
        width: of its output, where that is free; else None.
        settings: others, by name.
        half: whether tensors have 16 bits; 32 if not.
    """

    name: str
    shapes: tuple[Shape, ...]
    width: int | None
    settings: Mapping[str, int]
    half: bool

    def module(self) -> nn.Module:
        """It as a module on the current device."""
        module = OPERATORS[self.name].build(self)
        return module.half() if self.half else module

    def inputs(self) -> tuple[Tensor, ...]:
        """Tensors on the meta device to run it on."""
        dtype = torch.float16 if self.half else torch.float32
        dtype = torch.int64 if self.name == "embedding" else dtype
        shapes = OPERATORS[self.name].also(self)
        return tuple(torch.empty(shape, dtype=dtype, device="meta") for shape in (*self.shapes, *shapes))

    @property
    def flops(self) -> int:
        """Two per multiply-accumulate of a product; 0 of other operators."""
        return OPERATORS[self.name].flops(self)

    @property
    def read_bytes(self) -> int:
        """Bytes of its inputs, which it cannot read less of; 0 where it reads indices."""
        each = 0 if self.name == "embedding" else 2 if self.half else 4
        return each * sum(map(math.prod, self.shapes))


class Call(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the function gives."""
        return self.function(*inputs)


def _nothing(_: Operator) -> tuple[Shape, ...]:
    return ()


def _no_flops(_: Operator) -> int:
    return 0


@dataclass(frozen=True)
class Kind:
    """What holds of all calls of an operator.

    Attributes:
        build: makes the module.
        dimensions: of each input; None for any, at least one.
        most: how many inputs it may have.
        least: how many it must have.
        settings: which must be given.
        widened: whether a width must be given.
        also: shapes of inputs that follow from the others.
        flops: of a call.
    """

    build: Callable[[Operator], nn.Module]
    dimensions: int | None = None
    most: int = 1
    least: int = 1
    settings: tuple[str, ...] = ()
    widened: bool = False
    also: Callable[[Operator], tuple[Shape, ...]] = _nothing
    flops: Callable[[Operator], int] = _no_flops


def parse(text: str) -> Operator:
    """Take a call apart; nothing is built.

    Args:
        text: what follows ``operator:``.

    Raises:
        PerfseerError: it has another form, names no operator here, or sizes it cannot have.
    """
    found = _CALL.fullmatch(text)
    if found is None:
        raise PerfseerError(f"{text!r} is no call of an operator; expected such as linear(1x58x141->13)")
    name, shapes, width, settings, half = found.groups()
    kind = OPERATORS.get(name)
    if kind is None:
        raise PerfseerError(f"no operator {name!r}; there are {', '.join(OPERATORS)}")
    call = Operator(
        name,
        tuple(tuple(map(int, shape.split("x"))) for shape in shapes.split(",")),
        None if width is None else int(width),
        {key: int(value) for key, value in re.findall(r"([a-z]+)=(\d+)", settings)},
        half is not None,
    )
    _check(call, kind, text)
    return call


def build(text: str) -> nn.Module:
    """The module of a call, on the current device.

    Raises:
        PerfseerError: as `parse`.
    """
    return parse(text).module()


def _check(call: Operator, kind: Kind, text: str) -> None:
    n = len(call.shapes)
    require(
        kind.least <= n <= kind.most,
        f"{text!r} has {n} inputs, {call.name} takes {kind.least} to {kind.most}",
    )
    wrong = [shape for shape in call.shapes if kind.dimensions not in (None, len(shape))]
    require(not wrong, f"{text!r} has an input of {len(next(iter(wrong), ()))} dimensions: {kind.dimensions}")
    given, wanted = set(call.settings), set(kind.settings)
    require(given == wanted, f"{text!r} has settings {sorted(given)}; {call.name} wants {sorted(wanted)}")
    needs = "needs its output's width" if kind.widened else "gives its output no width of its own"
    require(kind.widened == (call.width is not None), f"{text!r}: {call.name} {needs}, such as ->13")
    least = [value for key, value in call.settings.items() if key != "padding"]
    sizes = [*(size for shape in call.shapes for size in shape), *least, call.width or 1]
    require(min(sizes) > 0, f"{text!r} has a size of zero; sizes are 1 or more")
    if call.name == "bmm":
        (batch, _, inner), (other, rows, _) = call.shapes
        require((batch, inner) == (other, rows), f"{text!r}: a product wants BxMxN,BxNxK")
    elif n > 1:
        require(len(set(call.shapes)) == 1, f"{text!r}: inputs of one shape, element by element")
    require(call.name != "silu_and_mul" or call.shapes[0][-1] % 2 == 0, f"{text!r}: the last size is odd")


def _conv(call: Operator) -> nn.Module:
    chosen = (call.settings[name] for name in ("kernel", "stride", "padding"))
    return nn.Conv2d(call.shapes[0][1], call.width or 1, *chosen, bias=False)


def _conv_flops(call: Operator) -> int:
    batch, channels, *image = call.shapes[0]
    kernel, stride, padding = (call.settings[name] for name in ("kernel", "stride", "padding"))
    pixels = math.prod((size + 2 * padding - kernel) // stride + 1 for size in image)
    return 2 * batch * channels * (call.width or 1) * kernel**2 * pixels


def _linear(call: Operator, *, bias: bool) -> nn.Module:
    return nn.Linear(call.shapes[0][-1], call.width or 1, bias=bias)


def _linear_flops(call: Operator) -> int:
    return 2 * math.prod(call.shapes[0]) * (call.width or 1)


def _bmm_flops(call: Operator) -> int:
    return 2 * math.prod(call.shapes[0]) * call.shapes[1][-1]


def _sum(*parts: Tensor) -> Tensor:
    return reduce(torch.add, parts)


def _rotary_rows(call: Operator) -> tuple[Shape, ...]:
    tokens, _, width = call.shapes[0]
    return ((tokens, 1, width),)


def _rotary(heads: Tensor, rows: Tensor) -> Tensor:
    return torch.addcmul(heads, heads, rows)


def _calls(function: Callable[..., Tensor], **more: Any) -> Kind:
    return Kind(lambda _: Call(function), **more)


def _by_number(function: Callable[[Tensor, float], Tensor]) -> Kind:
    return _calls(partial(_apply_number, function))


def _apply_number(function: Callable[[Tensor, float], Tensor], values: Tensor) -> Tensor:
    return function(values, _NUMBER)


OPERATORS: dict[str, Kind] = {
    "conv": Kind(_conv, 4, settings=("kernel", "stride", "padding"), widened=True, flops=_conv_flops),
    "linear": Kind(partial(_linear, bias=True), widened=True, flops=_linear_flops),
    "linear_no_bias": Kind(partial(_linear, bias=False), widened=True, flops=_linear_flops),
    "bmm": _calls(torch.bmm, dimensions=3, least=2, most=2, flops=_bmm_flops),
    "add": _calls(_sum, least=2, most=4),
    "mul": _calls(torch.mul, least=2, most=2),
    "div": _calls(torch.div, least=2, most=2),
    "pow": _calls(torch.pow, least=2, most=2),
    "add_number": _by_number(torch.add),
    "mul_number": _by_number(torch.mul),
    "div_number": _by_number(torch.div),
    "pow_number": _by_number(torch.pow),
    "tanh": _calls(torch.tanh),
    "relu": _calls(torch.relu),
    "gelu": _calls(F.gelu),
    "silu_and_mul": _calls(F.glu),
    "softmax": _calls(partial(torch.softmax, dim=-1)),
    "layer_norm": Kind(lambda call: nn.LayerNorm(call.shapes[0][-1])),
    "rms_norm": Kind(lambda call: nn.RMSNorm(call.shapes[0][-1])),
    "embedding": Kind(
        lambda call: nn.Embedding(call.settings["rows"], call.width or 1), 1, settings=("rows",), widened=True
    ),
    "rotary": _calls(_rotary, dimensions=3, also=_rotary_rows),
}
