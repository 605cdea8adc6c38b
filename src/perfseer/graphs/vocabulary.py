"""The fixed, versioned operator vocabulary (rows of `passport`) and the hyper-parameter columns of a node.

An ATen operator that maps to none of them becomes ``other`` and is counted.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from perfseer.graphs.passport import PASSPORTS, Passport, Trait

VOCABULARY_VERSION = max(passport.since for passport in PASSPORTS)
OPERATORS: tuple[str, ...] = tuple(passport.name for passport in PASSPORTS)
OPERATOR_INDEX: dict[str, int] = {name: index for index, name in enumerate(OPERATORS)}

# PerfSeer's thirteen integer arguments (METHODS 1.1); zero where an operator has no such argument.
HYPERPARAMETERS: tuple[str, ...] = (
    *("conv_kernel", "conv_stride", "conv_padding", "conv_dilation", "conv_groups", "conv_bias"),
    *("linear_in", "linear_out", "linear_bias"),
    *("pool_kernel", "pool_stride", "pool_padding", "pool_ceil"),
)
Hyperparameters = tuple[int, ...]

# ONNX's views: they move no data and are no nodes of a PerfGraph. Of these PerfSeer's release has Flatten.
ONNX_VIEWS = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity"})
# By row: name, letters of arguments, torch's function and its settings of each ONNX operator, empty where not
# given.
_ONNX_NAME = re.compile(r"([\w.]+)(?::([.wvs]+))?(?:=(\w+)(?:\((.*?)\))?)?")
_ONNX = [_ONNX_NAME.findall(passport.onnx) for passport in PASSPORTS]
ONNX_ARGUMENTS: dict[str, str] = {name: letters for row in _ONNX for name, letters, *_ in row if letters}
# Torch's function, and the attributes it takes with what they are where left out.
ONNX_COUNTERPARTS: dict[str, tuple[str, dict[str, float]]] = {
    name: (function, {key: literal_eval(value) for key, value in re.findall(r"(\w+)=([\w.]+)", settings)})
    for row in _ONNX
    for name, _, function, settings in row
    if function
}
_BY_ONNX = {name: index for index, row in enumerate(_ONNX) for name, *_ in row}
_BY_ATEN = {name: index for index, passport in enumerate(PASSPORTS) for name in passport.aten.split()}


def names_with(*traits: Trait) -> tuple[str, ...]:
    """Operators that have one of the traits, in the vocabulary's order."""
    return tuple(passport.name for passport in PASSPORTS if set(traits) & set(passport.traits))


def mask_with(*traits: Trait) -> npt.NDArray[np.bool_]:
    """[operators] whether each one has one of the traits."""
    return np.isin(OPERATORS, names_with(*traits))


def words_of(text: Callable[[Passport], str]) -> frozenset[str]:
    """All names in one of the texts of all rows."""
    return frozenset(word for passport in PASSPORTS for word in text(passport).split())


def aten_index(name: str) -> int:
    """Vocabulary index of an ATen name such as ``relu_``; 0 (``other``) if it has none.

    In-place variants share the entry of the functional operator.
    """
    index = _BY_ATEN.get(name)
    return _BY_ATEN.get(name.removesuffix("_"), 0) if index is None else index


def onnx_index(onnx_type: str) -> int:
    """Vocabulary index of an ONNX operator; 0 (``other``) if the vocabulary has none for it.

    >>> OPERATORS[onnx_index("Gemm")], OPERATORS[onnx_index("Einsum")]
    ('linear', 'other')
    """
    return _BY_ONNX.get(onnx_type, 0)


def onnx_type(index: int) -> str:
    """The ONNX name under which a vocabulary index is written.

    >>> onnx_type(OPERATOR_INDEX["global_avg_pool"])
    'GlobalAveragePool'
    """
    return str(_ONNX[index][0][0])


def hyperparameters(values: Mapping[str, int]) -> Hyperparameters:
    """[13] integers in the order of `HYPERPARAMETERS`, zero for those not given."""
    return tuple(values.get(name, 0) for name in HYPERPARAMETERS)
