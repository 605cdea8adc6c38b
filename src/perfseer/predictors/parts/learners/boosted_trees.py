"""Boosted trees as plain arrays: fitted by LightGBM, kept in safetensors, walked without LightGBM.

Thresholds are drawn at random instead of searched for (extremely randomised trees: Geurts, Ernst and
Wehenkel, 2006): on a thousand rows that generalises better.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import lightgbm
import numpy as np
import numpy.typing as npt

from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.learners.boosters import REPEATABLE
from perfseer.predictors.parts.learners.forests import Forest

_LEAF = -1


@dataclass(frozen=True)
class TreeSettings:
    """How trees are boosted.

    Attributes:
        trees: how many.
        leaves: of each.
        learning_rate: share of each tree that counts.
        least_rows: training rows in a leaf at least.
        robust: errors on the logarithmic scale beyond this count linearly.
    """

    trees: int
    leaves: int
    learning_rate: float
    least_rows: int
    robust: float


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """A sum over trees."""

    forest: Forest

    @classmethod
    def fit(cls, inputs: FloatArray, outputs: FloatArray, settings: TreeSettings, seed: int) -> Self:
        """Fit with LightGBM on one thread.

        Args:
            inputs: [n, F] finite.
            outputs: [n].
            settings: hyper-parameters.
            seed: of the draws of columns and thresholds.
        """
        parameters = {
            "objective": "huber",
            "alpha": settings.robust,
            "num_leaves": settings.leaves,
            "learning_rate": settings.learning_rate,
            "min_data_in_leaf": settings.least_rows,
            "extra_trees": True,
            "feature_fraction": 0.3,
            "lambda_l2": 1.0,
            "seed": seed,
            **REPEATABLE,
        }
        # Single precision, in which the arrays are walked too: both then decide alike.
        rows = lightgbm.Dataset(inputs.astype(np.float32), outputs)
        booster = lightgbm.train(parameters, rows, num_boost_round=settings.trees)
        trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
        return cls(_lay_out(trees))

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""
        return self.forest.n_parameters

    def predict(self, inputs: FloatArray) -> FloatArray:
        """[n, F] to [n]."""
        return self.forest.predict(inputs) * len(self.forest.roots)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name, which `of_arrays` turns into equal trees; a third of the size of a forest's.

        A leaf has a value and an inner node a threshold, both in ``number``; right children are counted from
        their parents.
        """
        forest, leaf = self.forest, self.forest.feature == _LEAF
        ahead = np.where(leaf, 0, forest.right - np.arange(len(leaf)))
        return {
            "roots": forest.roots,
            "feature": forest.feature,
            "number": np.where(leaf, forest.value, forest.threshold).astype(np.float32),
            "ahead": ahead.astype(np.uint8 if ahead.max(initial=0) <= np.iinfo(np.uint8).max else np.int16),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read what `arrays` gave.

        Raises:
            PerfseerError: the arrays do not fit together.
        """
        missing = {"roots", "feature", "number", "ahead"} ^ set(arrays)
        require(not missing, f"boosted trees have other arrays ({sorted(missing)}): train them again")
        feature, number = arrays["feature"], arrays["number"].astype(np.float64)
        leaf = feature == _LEAF
        require(
            len(feature) == len(number) == len(arrays["ahead"]),
            "the arrays of boosted trees do not fit together: train them again",
        )
        right = np.arange(len(leaf)) + arrays["ahead"]
        return cls(
            Forest.of_arrays(
                {
                    "roots": arrays["roots"],
                    "feature": feature,
                    "threshold": np.where(leaf, 0.0, number),
                    "right": np.where(leaf, 0, right).astype(np.int32),
                    "value": np.where(leaf, number, 0.0),
                }
            )
        )


def _lay_out(trees: list[dict[str, Any]]) -> Forest:
    """Trees as LightGBM describes them, end to end, a node's left child next to it."""
    nodes: list[tuple[int, float, float]] = []  # feature, threshold, value
    right: list[int] = []
    roots = []
    for tree in trees:
        roots.append(len(nodes))
        waiting: list[tuple[dict[str, Any], int]] = [(tree, _LEAF)]
        while waiting:
            node, parent = waiting.pop()
            if parent != _LEAF:
                right[parent] = len(nodes)
            right.append(0)
            if "split_feature" in node:
                waiting += [(node["right_child"], len(nodes)), (node["left_child"], _LEAF)]
                nodes.append((node["split_feature"], node["threshold"], 0.0))
            else:
                nodes.append((_LEAF, 0.0, node["leaf_value"]))
    feature, threshold, value = zip(*nodes, strict=True)
    return Forest(
        roots=np.asarray(roots, dtype=np.int32),
        feature=np.asarray(feature, dtype=np.int16),
        threshold=_not_above(np.asarray(threshold, dtype=np.float64)),
        right=np.asarray(right, dtype=np.int32),
        value=np.asarray(value, dtype=np.float32).astype(np.float64),
    )


def _not_above(values: FloatArray) -> FloatArray:
    """The greatest numbers of single precision that are not above ``values``.

    An input in single precision is on the same side of both.
    """
    single = values.astype(np.float32)
    below = np.nextafter(single, np.float32(-np.inf))
    return np.where(single > values, below, single).astype(np.float64)
