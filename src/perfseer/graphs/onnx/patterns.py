"""Operators that exporters write out in smaller ones, and what they stood for.

Which trees are one operator in a capture: those that an exporter makes of one PyTorch call. A network that
spells out, say, its own attention runs the small operators in PyTorch as well, and keeps them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import pi, sqrt
from typing import Any

from perfseer.graphs.onnx.contents import Contents
from perfseer.graphs.onnx.matching import Match, Part, Rewrite, renamed, rewritten
from perfseer.graphs.onnx.model import OnnxModel, OnnxNode, Stored, single_number
from perfseer.graphs.onnx.preparation import (
    inlined,
    with_batch_norms,
    with_constants_stored,
    with_unstacked,
)
from perfseer.graphs.onnx.sharing import Sharing

Stores = Mapping[str, Stored]
Made = tuple[str, Sequence[str], Mapping[str, Any]]


def recognise(
    model: OnnxModel, contents: Contents | None = None, *, restore_batch_norm: bool = True
) -> OnnxModel:
    """The model with functions inlined, constants stored and exporters' patterns as one operator each.

    Args:
        model: as parsed.
        contents: of the file's weights, of which a few elements tell whether two are one.
        restore_batch_norm: whether to put back batch norms that the exporter folded into convolutions.

    Raises:
        PerfseerError: functions call themselves, or grow beyond all bounds.
    """
    merges = model.producer.startswith("pytorch")
    sharing = Sharing(merges) if contents is None else Sharing(merges, contents)
    graph = with_constants_stored(inlined(model.graph, model.functions), sharing)
    graph = with_unstacked(replace(graph, nodes=rewritten(graph, REWRITES)))
    notes = model.notes
    if restore_batch_norm:
        graph, n_restored = with_batch_norms(graph, model.producer)
        if n_restored:
            notes = (*notes, _restored_note(n_restored))
    graph = sharing.with_transposes_tied(sharing.separated(graph))
    return replace(model, graph=graph, notes=notes)


def _restored_note(count: int) -> str:
    one = count == 1
    return (
        f"{count} convolution{'' if one else 's'} carr{'ies' if one else 'y'} a batch norm that the exporter "
        f"folded in; {'it is' if one else 'they are'} taken apart again, as the network was."
    )


# -- activations -----------------------------------------------------------------------------------------


def _products_of_three(first: Part | str, second: Part, factor: float) -> Iterator[Part]:
    """X * y * c, bracketed in any way."""
    yield Part("Mul", (Part("Mul", (first, second)), factor))
    yield Part("Mul", (first, Part("Mul", (second, factor))))
    yield Part("Mul", (Part("Mul", (first, factor)), second))


def _gelus() -> Iterator[Part]:
    """Paper arXiv 1606.08415: x / 2 * (1 + erf(x / sqrt 2)), or its approximation by tanh."""
    for scaled in (Part("Div", ("x", sqrt(2))), Part("Mul", ("x", 1 / sqrt(2)))):
        yield from _products_of_three("x", Part("Add", (Part("Erf", (scaled,)), 1.0)), 0.5)
    square = Part("Mul", ("x", "x"))
    for cube in (Part("Pow", ("x", 3.0)), Part("Mul", ("x", square))):
        inner = Part("Mul", (Part("Add", ("x", Part("Mul", (cube, 0.044715)))), sqrt(2 / pi)))
        yield from _products_of_three("x", Part("Add", (Part("Tanh", (inner,)), 1.0)), 0.5)


def _from_zero_to_six(node: OnnxNode, stored: Stores) -> bool:
    low, high = node.attribute("min"), node.attribute("max")
    if len(node.inputs) == 3:
        low, high = (single_number(stored.get(name)) for name in node.inputs[1:])
    return low == 0 and high == 6


_RELU6_PLUS_3 = Part("Clip", (Part("Add", ("x", 3.0)),), _from_zero_to_six)
_HARD_SIGMOID = Part("Div", (_RELU6_PLUS_3, 6.0))

_ACTIVATIONS: tuple[Rewrite, ...] = (
    *(Rewrite(part, renamed("Gelu", "x")) for part in _gelus()),
    Rewrite(Part("Mul", ("x", Part("Sigmoid", ("x",)))), renamed("Silu", "x")),
    Rewrite(Part("Mul", ("x", Part("HardSigmoid", ("x",)))), renamed("HardSwish", "x")),
    Rewrite(Part("Mul", ("x", _HARD_SIGMOID)), renamed("HardSwish", "x")),
    Rewrite(Part("Div", (Part("Mul", ("x", _RELU6_PLUS_3)), 6.0)), renamed("HardSwish", "x")),
    Rewrite(_HARD_SIGMOID, renamed("HardSigmoid", "x")),
    Rewrite(Part("Mul", ("x", Part("Tanh", (Part("Softplus", ("x",)),)))), renamed("Mish", "x")),
)

# -- normalisation ---------------------------------------------------------------------------------------


def _layer_norms() -> Iterator[Part]:
    """(x - mean) / sqrt(var + eps), scaled and shifted."""
    centred = Part("Sub", ("x", Part("ReduceMean", ("x",))))
    for square in (Part("Pow", (centred, 2.0)), Part("Mul", (centred, centred))):
        deviation = Part("Sqrt", (Part("Add", (Part("ReduceMean", (square,)), "epsilon")),))
        yield Part("Div", (centred, deviation))
        yield Part("Mul", (centred, Part("Reciprocal", (deviation,))))


def _layer_norm(match: Match, stored: Stores) -> Made | None:
    scale = stored.get(match.names["scale"])
    means = [node for node in match.nodes.values() if node.op == "ReduceMean"]
    axes = [_axes(node, stored) for node in means]
    if scale is None or axes[0] is None or any(other != axes[0] for other in axes):
        return None
    if len(scale.shape) != len(axes[0]) or single_number(stored.get(match.names["epsilon"])) is None:
        return None
    names = [match.names[name] for name in ("x", "scale", "shift")]
    return "LayerNormalization", names, {"axis": -len(axes[0])}


def _axes(node: OnnxNode, stored: Stores) -> tuple[int, ...] | None:
    axes = node.integers("axes")
    if axes is None and len(node.inputs) > 1:
        values = stored[node.inputs[1]].values if node.inputs[1] in stored else None
        axes = None if values is None else tuple(int(axis) for axis in values.reshape(-1))
    return axes


def _group_norm(match: Match, stored: Stores) -> Made | None:
    """An instance norm over groups of channels, with scales per channel."""
    groups, scale = stored.get(match.names["ones"]), stored.get(match.names["scale"])
    if groups is None or scale is None or len(groups.shape) != 1:
        return None
    names = [match.names[name] for name in ("x", "scale", "shift")]
    return "perfseer.GroupNorm", names, {"num_groups": groups.shape[0]}


_GROUPED = Part("InstanceNormalization", (Part("Reshape", ("x", "grouped")), "ones", "zeros"))


def _affine(normalised: Part) -> Part:
    return Part("Add", (Part("Mul", (normalised, "scale")), "shift"))


_NORMALISATIONS: tuple[Rewrite, ...] = (
    *(Rewrite(_affine(part), _layer_norm) for part in _layer_norms()),
    Rewrite(_affine(Part("Reshape", (_GROUPED, "shape"))), _group_norm),
)

# -- rolling ---------------------------------------------------------------------------------------------

_LAST = 2**31  # exporters write the largest integer for "to the end"


def _roll(match: Match, stored: Stores) -> Made | None:
    """The end of a tensor put before its beginning, along one axis."""
    names = ("cut", "end", "axis", "begin", "cut_again", "axis_again")
    cut, end, axis, begin, cut_again, axis_again = (single_number(stored.get(match.names[n])) for n in names)
    root = next(node for node in match.nodes.values() if node.op == "Concat")
    if len(root.inputs) != 2 or cut is None or end is None or begin != 0 or cut != cut_again:
        return None
    if end < _LAST or axis != axis_again or axis != root.integer("axis", 0):
        return None
    return "perfseer.Roll", [match.names["x"]], {"shifts": (-int(cut),), "axes": (root.integer("axis", 0),)}


def _roll_twice(match: Match, _: Stores) -> Made | None:
    """Along two axes, which is one call in PyTorch."""
    last, first = match.nodes.values()
    both = {name: (*first.attribute(name), *last.attribute(name)) for name in ("shifts", "axes")}
    return "perfseer.Roll", [match.names["x"]], both


_AFTER = Part("Slice", ("x", "cut", "end", "axis"))
_BEFORE = Part("Slice", ("x", "begin", "cut_again", "axis_again"))
_ROLLS: tuple[Rewrite, ...] = (
    Rewrite(Part("Concat", (_AFTER, _BEFORE)), _roll),
    Rewrite(Part("perfseer.Roll", (Part("perfseer.Roll", ("x",)),)), _roll_twice),
)

# -- attention and linear layers -------------------------------------------------------------------------


def _attentions() -> Iterator[Part]:
    """As PyTorch exports scaled_dot_product_attention: both factors scaled by the root of the scale."""
    swapped = Part("Transpose", (Part("Reshape", ("untransposed", "flat_shape")),))
    for key in (
        Part("Reshape", (swapped, "shape")),
        Part("Transpose", ("untransposed",), _swaps_last),
        "key",
    ):
        scores = Part("MatMul", (Part("Mul", ("query", "root")), Part("Mul", (key, "root_again"))))
        for logits in (scores, Part("Add", (scores, "mask"))):
            weights = Part("Softmax", (logits,))
            yield Part("MatMul", (weights, "value"))
            yield Part("MatMul", (Part("Dropout", (weights,)), "value"))
            # rows that are masked throughout
            yield Part("MatMul", (Part("Where", (Part("IsNaN", (weights,)), 0.0, weights)), "value"))


def _swaps_last(node: OnnxNode, _: Stores) -> bool:
    order = node.integers("perm") or ()
    n = len(order)
    return n >= 2 and order == (*range(n - 2), n - 1, n - 2)


def _attention(match: Match, _: Stores) -> Made | None:
    names = match.names
    transposed = "key" in names
    inputs = [names["query"], names["key" if transposed else "untransposed"], names["value"]]
    attributes = {"key_is_transposed": int(transposed)}
    return "perfseer.Attention", [*inputs, names["mask"]] if "mask" in names else inputs, attributes


def _linear(match: Match, stored: Stores) -> Made | None:
    weight = stored.get(match.names["weight"])
    if weight is None or len(weight.shape) != 2:
        return None
    return "perfseer.Linear", [match.names[name] for name in ("x", "weight", "bias")], {}


_PRODUCTS: tuple[Rewrite, ...] = (
    *(Rewrite(part, _attention) for part in _attentions()),
    Rewrite(Part("Add", (Part("MatMul", ("x", "weight")), "bias")), _linear),
)

REWRITES: tuple[Rewrite, ...] = (*_ROLLS, *_NORMALISATIONS, *_ACTIVATIONS, *_PRODUCTS)
