"""LightGBM's files of trees, checked before LightGBM sees them.

Its own reader believes what it is told: a child that points back is walked for ever, an index out of range is
memory of somebody else's. What is let through is what `lightgbm.Booster.model_to_string` writes of a
regression on numbers: one tree after the other, every node reached once, every child after its parent.
"""

import math
import re
from collections.abc import Sequence

from perfseer.errors import require

_MOST_CHARACTERS = 1 << 28
_MOST_LEAVES, _MOST_FEATURES = 1 << 20, 1 << 16
_NUMBER = re.compile(r"-?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_HEAD = {
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
    *("feature_names", "feature_infos", "monotone_constraints", "tree_sizes"),
}
# Of a tree with n leaves: as many numbers as inner nodes, or as leaves.
_PER_NODE = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_OF_NODES = (*_PER_NODE, "internal_value", "internal_weight", "internal_count")
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_SINGLE = ("num_leaves", "num_cat", "is_linear", "shrinkage")
_NUMERICAL = range(0, 16, 2)  # types of decisions; the odd ones are categorical


def require_sound(text: str) -> None:
    """Refuse a file that is no whole model.

    Args:
        text: of the file.

    Raises:
        PerfseerError: says what is wrong with it.
    """
    require(len(text) <= _MOST_CHARACTERS and text.isascii(), "it is too long, or no plain text")
    first = text.find("Tree=0\n")
    end = text.find("end of trees")
    start = first if first >= 0 else end
    require(start >= 0 and end >= start, "it has no trees, or no end of them")
    head = _fields(text[:start].removeprefix("tree\n"), _HEAD)
    require(
        (head.get("num_class"), head.get("num_tree_per_iteration")) == ("1", "1"),
        "it predicts several numbers",
    )
    features = _integer(head.get("max_feature_idx", ""), _MOST_FEATURES) + 1
    for name in ("feature_names", "feature_infos"):
        require(len(head.get(name, "").split()) == features, f"its {name} are not {features}")
    for number, size in enumerate(head.get("tree_sizes", "").split()):
        block = text[start : start + _integer(size, end - start)]
        name, _, fields = block.partition("\n")
        require(name == f"Tree={number}", f"tree {number} is not where it should be")
        _require_tree(_fields(fields, {*_OF_NODES, *_OF_LEAVES, *_SINGLE}), features)
        start += len(block)
    require(start == end, "it has more trees than it says")
    require(text.rstrip().endswith("\npandas_categorical:null"), "its end is missing, or another one")


def _require_tree(fields: dict[str, str], features: int) -> None:
    leaves = _integer(fields.get("num_leaves", ""), _MOST_LEAVES)
    require(leaves >= 1, "a tree has no leaves")
    require((fields.get("num_cat"), fields.get("is_linear", "0")) == ("0", "0"), "a tree is of another kind")
    nodes = leaves - 1
    for names, count in ((_OF_NODES, nodes), (_OF_LEAVES, leaves)):
        for name in names:
            values = fields.get(name, "").split()
            needed = name in _PER_NODE or name == "leaf_value"
            # A tree of one leaf has empty lists of some names and not those of others.
            require(
                len(values) == count or (not values and not needed) or leaves == 1,
                f"its {name} are not {count}",
            )
            require(all(map(_is_finite, values)), f"its {name} are not all finite numbers")
    if nodes:
        _require_splits(fields, nodes, features)


def _require_splits(fields: dict[str, str], nodes: int, features: int) -> None:
    split, kinds, left, right = (
        _whole(fields[name].split())
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    require(all(0 <= feature < features for feature in split), "a node asks for a feature that is not there")
    require(all(kind in _NUMERICAL for kind in kinds), "a node decides in another way")
    reached: list[int] = []
    for node, children in enumerate(zip(left, right, strict=True)):
        require(all(child < 0 or child > node for child in children), "a child points back")
        reached += children
    everything = [*range(-nodes - 1, 0), *range(1, nodes)]
    require(sorted(reached) == everything, "its nodes are not each reached once")


def _fields(text: str, known: set[str]) -> dict[str, str]:
    """``name=value`` lines, each name once; empty lines mean nothing."""
    found: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        name, _, value = line.partition("=")
        require(
            name in known and name not in found, f"it has the line {line[:40]!r} where none such is expected"
        )
        found[name] = value
    return found


def _integer(text: str, most: int) -> int:
    require(
        text.isdecimal() and len(text) < 12 and int(text) <= most,
        f"it has {text[:20]!r} where a count is expected",
    )
    return int(text)


def _whole(texts: Sequence[str]) -> list[int]:
    require(
        all(re.fullmatch(r"-?[0-9]{1,9}", text) for text in texts),
        "it has other numbers where counts are expected",
    )
    return list(map(int, texts))


def _is_finite(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))
