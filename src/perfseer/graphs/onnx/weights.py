"""Which stored tensors are parameters, which buffers, and which mere numbers.

A file does not tell. What convolutions, products, norms and embeddings take as weights are parameters, and so
is whatever has a name of the network's own; running statistics are buffers; large integer tables are too.
The rest (scales, bounds, axes, shapes) are constants.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored
from perfseer.graphs.onnx.ordering import bodies, names_read
from perfseer.graphs.vocabulary import ONNX_ARGUMENTS

Role = Literal["parameter", "buffer", "constant"]

# Letters of arguments (`passport`), also of what runs as several operators.
ARGUMENTS: Mapping[str, str] = {
    **ONNX_ARGUMENTS,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ".www"),
    **dict.fromkeys(("SkipLayerNormalization", "com.microsoft.SkipLayerNormalization"), "..vvv"),
    "com.microsoft.SkipSimplifiedLayerNormalization": "..vv",
    "com.microsoft.EmbedLayerNormalization": "..wwwvv",
    "com.microsoft.Attention": ".wv",
    "com.microsoft.MultiHeadAttention": "...v",
    "com.microsoft.DecoderMaskedMultiHeadAttention": "." * 10 + "v",
    "com.microsoft.QAttention": "..vss",
    **dict.fromkeys(
        ("com.microsoft.FusedConv", "com.microsoft.NhwcFusedConv", "com.microsoft.NhwcConv"), ".wv"
    ),
    **dict.fromkeys(("com.microsoft.FusedGemm", "com.microsoft.GemmFastGelu"), ".wv"),
    **dict.fromkeys(("com.microsoft.FusedMatMul", "com.microsoft.TransposeMatMul"), "ww"),
    "com.microsoft.FusedMatMulActivation": "ww",
    "com.microsoft.nchwc.Conv": ".wv",
    **{f"com.microsoft.{op}": ".v" for op in ("Gelu", "BiasGelu", "FastGelu", "BiasAdd", "BiasSplitGelu")},
    "com.microsoft.GroupNorm": ".vv",
    "com.microsoft.SkipGroupNorm": ".vv.v",
}
# Names that exporters give to what they computed: no parameter of the network has such a name.
_TEMPORARY = re.compile(r"onnx::\w+_\d+|val_\d+|_?\d+|.*/Constant(_\d+)?(_output_\d+)?|Constant_\d+")
# Arguments behind the first that are numbers and never weights.
_SETTINGS = frozenset({"Resize", "Upsample", "Pad", "Clip", "Dropout", "Range", "Pow", "perfseer.Unstack"})
# Names of operators on quantised tensors.
_QUANTISED = re.compile(r"^Q[A-Z]|Integer|NBits|Bnb4|Quantize")
_FOUR_BITS = frozenset({"int4", "uint4", "float4_e2m1fn"})
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_HIDDEN = -1e4
_SINES = 1e-2  # they are kept in half precision too
# A smaller integer tensor is a shape or an axis, not a table.
_SMALLEST_TABLE = 64


@dataclass(frozen=True)
class Uses:
    """Where a stored tensor is read: operator and argument."""

    places: Sequence[tuple[str, int]]

    def among(self, *letters: str) -> bool:
        """Whether one of the places is an argument with one of the letters."""
        return any(ARGUMENTS.get(op, "")[at : at + 1] in letters for op, at in self.places)


def is_quantised(graph: OnnxGraph) -> bool:
    """Whether some of its products are of integers or of packed weights."""
    return any(_QUANTISED.search(node.op) for node in graph.nodes)


def weight_types_of(graph: OnnxGraph) -> tuple[str, ...]:
    """Element types of its weights other than float32; integers only where it is quantised."""
    kinds = {tensor.dtype for tensor in graph.stored.values() if prod(tensor.shape) > _SMALLEST_TABLE}
    numbers = kinds - {"float32", "int64", "int32", "bool", "string"}
    return tuple(sorted(numbers if is_quantised(graph) else numbers & _FLOATS))


def uses_of(nodes: Sequence[OnnxNode]) -> dict[str, Uses]:
    """Where each tensor is read."""
    places: dict[str, list[tuple[str, int]]] = {}
    for node in nodes:
        for position, name in enumerate(node.inputs):
            places.setdefault(name, []).append((node.kind, position))
        for body in bodies(node.attributes):
            read = set(names_read(replace(node, inputs=(), attributes={"body": body})))
            inside = uses_of(body.nodes)
            for name in read:
                passed_on = Uses([(node.kind, -1)])
                places.setdefault(name, []).extend(inside.get(name, passed_on).places)
    return {name: Uses(found) for name, found in places.items()}


def role_of(name: str, stored: Stored, uses: Uses | None) -> Role:
    """What a stored tensor is; one that nobody reads is nothing that counts."""
    count = prod(stored.shape)
    if uses is None:
        return "constant"
    if stored.dtype not in _FLOATS:
        return "buffer" if count > _SMALLEST_TABLE else "constant"
    if not stored.shape:
        return "constant"
    if uses.among("s"):
        return "buffer"
    if uses.among("w", "v"):
        return "parameter"
    if count == 1 or all(op in _SETTINGS and position > 0 for op, position in uses.places):
        return "constant"
    if _is_mask(stored):
        return "buffer"
    if not is_temporary(name):
        return "parameter"
    # an exporter that gives a vector the rank of what it is multiplied with computes a new tensor
    return "parameter" if max(stored.shape) == count or _are_positions(stored, uses) else "buffer"


def _are_positions(stored: Stored, uses: Uses) -> bool:
    """Whether it is the rows of a table of positions that an exporter looked up: [L, E], added to tokens.

    Masks are square; sines and cosines are not learnt, and rows of them have one length.
    """
    rows = stored.shape[1:] if len(stored.shape) == 3 and stored.shape[0] == 1 else stored.shape
    added = all(op == "Add" for op, _ in uses.places)
    if len(rows) != 2 or rows[0] == rows[1] or not added:
        return False
    if stored.values is None:
        return True
    lengths = np.square(stored.values.astype(np.float64).reshape(rows)).sum(1)
    return not np.allclose(lengths, rows[1] / 2, rtol=_SINES)


def is_packed(stored: Stored, uses: Uses | None) -> bool:
    """Whether it has half a byte an element: four bits, and nobody but what unpacks it looks at its shape."""
    if stored.dtype not in _FOUR_BITS or uses is None:
        return False
    return all(place == ("DequantizeLinear", 0) for place in uses.places)


def _is_mask(stored: Stored) -> bool:
    """Whether it hides logits: minus infinity, or the least number of its type."""
    return stored.values is not None and bool((stored.values < _HIDDEN).any())


def is_temporary(name: str) -> bool:
    """Whether a name is one that an exporter gave to something it computed."""
    return _TEMPORARY.fullmatch(name) is not None
