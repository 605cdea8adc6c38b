"""Random forests as plain arrays: fitted by scikit-learn, kept without pickle, walked by array operations."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import RandomForestRegressor

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray

_LEAF = -1
# Rows x trees that are walked together.
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class ForestSettings:
    """Hyper-parameters of one forest.

    Attributes:
        max_depth: levels of a tree at most.
        trees: how many.
        max_features: features tried at each split, at most all there are.
    """

    max_depth: int
    trees: int
    max_features: int


# Published, (CPU, GPU) (nn-Meter; METHODS 2.1). Where a type has no entry of its own (grouped convolution,
# global pooling on a GPU, the optimiser's step), the nearest one serves.
_BN = (ForestSettings(50, 370, 2), ForestSettings(50, 190, 2))
_CONV = (ForestSettings(70, 320, 6), ForestSettings(80, 550, 5))
_ADD = (ForestSettings(50, 570, 3), ForestSettings(50, 570, 3))
PUBLISHED: Mapping[str, tuple[ForestSettings, ForestSettings]] = {
    "conv": _CONV,
    "grouped_conv": _CONV,
    "dwconv": (ForestSettings(50, 240, 6), ForestSettings(40, 240, 7)),
    "linear": (ForestSettings(50, 370, 2), ForestSettings(70, 330, 4)),
    "max_pool": (ForestSettings(50, 210, 5), ForestSettings(50, 370, 5)),
    "avg_pool": (ForestSettings(50, 370, 5), ForestSettings(50, 370, 5)),
    "global_avg_pool": (ForestSettings(70, 370, 2), ForestSettings(50, 370, 5)),
    "concat": (ForestSettings(100, 690, 5), ForestSettings(100, 690, 5)),
    "add": _ADD,
    "batch_norm": _BN,
    "relu": _BN,
}


def published(forest: str, device_kind: str, share: float) -> ForestSettings:
    """Published hyper-parameters of a kernel type's forest.

    Args:
        forest: as `kernels.tables.forest_of`; a fused kernel has those of its first operator.
        device_kind: ``cpu`` or ``cuda``.
        share: of the published number of trees, at least one tree.
    """
    found = PUBLISHED.get(forest.partition("+")[0], _BN)[device_kind == "cuda"]
    return ForestSettings(found.max_depth, max(1, round(share * found.trees)), found.max_features)


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees laid end to end, M nodes altogether; a node's left child is the next node.

    Attributes:
        roots: [T] first node of each tree.
        feature: [M] which feature a node asks for; -1 in leaves.
        threshold: [M] not greater goes left.
        right: [M] the other child.
        value: [M] mean of the training rows that came here.
    """

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int16]
    threshold: FloatArray
    right: npt.NDArray[np.int32]
    value: FloatArray

    @classmethod
    def fit(cls, inputs: FloatArray, outputs: FloatArray, settings: ForestSettings, seed: int) -> "Forest":
        """Fit with scikit-learn on one thread.

        Args:
            inputs: [n, F].
            outputs: [n].
            settings: hyper-parameters.
            seed: of bootstrap and feature draws.
        """
        fitted = RandomForestRegressor(
            settings.trees,
            max_depth=settings.max_depth,
            max_features=min(settings.max_features, inputs.shape[1]),
            random_state=seed,
            n_jobs=1,
        ).fit(inputs, outputs)
        trees = [estimator.tree_ for estimator in fitted.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        starts = np.cumsum(sizes) - sizes
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        right = np.concatenate(
            [tree.children_right + start for tree, start in zip(trees, starts, strict=True)]
        )
        return cls(
            roots=starts.astype(np.int32),
            feature=np.where(leaf, _LEAF, np.concatenate([tree.feature for tree in trees])).astype(np.int16),
            threshold=np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
            right=np.where(leaf, 0, right).astype(np.int32),
            value=np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float64),
        )

    @property
    def n_parameters(self) -> int:
        """A value per leaf, a feature and a threshold per inner node."""
        leaves = int((self.feature == _LEAF).sum())
        return leaves + 2 * (len(self.feature) - leaves)

    def predict(self, inputs: FloatArray) -> FloatArray:
        """[n, F] to [n], the mean over the trees.

        Raises:
            PerfseerError: it asks for columns that are not there.
        """
        require(
            int(self.feature.max()) < inputs.shape[1],
            f"a forest asks for column {self.feature.max()} of {inputs.shape[1]}: train it again",
        )
        rows = max(1, _AT_ONCE // len(self.roots))
        parts = [self._walk(inputs[start : start + rows]) for start in range(0, len(inputs), rows)]
        return np.concatenate([np.zeros(0), *parts])

    def _walk(self, inputs: FloatArray) -> FloatArray:
        # scikit-learn compares single precision with double.
        single = inputs.astype(np.float32)
        at = np.tile(self.roots, len(inputs)).astype(np.int64)
        of = np.repeat(np.arange(len(inputs)), len(self.roots))
        going = np.flatnonzero(self.feature[at] != _LEAF)
        while len(going):
            nodes = at[going]
            left = single[of[going], self.feature[nodes]] <= self.threshold[nodes]
            at[going] = np.where(left, nodes + 1, self.right[nodes])
            going = going[self.feature[at[going]] != _LEAF]
        return np.asarray(self.value[at].reshape(len(inputs), -1).mean(axis=1))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name, which `of_arrays` turns into an equal forest."""
        return {name: getattr(self, name) for name in ("roots", "feature", "threshold", "right", "value")}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Forest":
        """Read what `arrays` gave.

        Raises:
            PerfseerError: the arrays are of different lengths, point outside or back, or are not finite.
        """
        forest = cls(**arrays)
        whole = all(array.dtype.kind == "i" for array in (forest.roots, forest.feature, forest.right))
        lengths = {array.shape for array in (forest.feature, forest.threshold, forest.right, forest.value)}
        require(
            whole and len(lengths) == 1 and forest.roots.ndim == 1 == len(next(iter(lengths))),
            "a forest's arrays do not fit together: train it again",
        )
        size, inner = len(forest.value), np.flatnonzero(forest.feature != _LEAF)
        # A child that points back would be walked for ever; the last node has none next to it.
        sound = (
            bool(len(forest.roots) and forest.roots.min() >= 0 and forest.roots.max() < size)
            and bool(forest.feature.min() >= _LEAF and np.isfinite(forest.value).all())
            and bool(np.isfinite(forest.threshold).all() and (inner + 1 < size).all())
            and bool(((inner < forest.right[inner]) & (forest.right[inner] < size)).all())
        )
        require(sound, "a forest's nodes point outside or back, or are not finite: train it again")
        return forest


Arrays = Mapping[str, npt.NDArray[Any]]


def save_arrays(path: Path, parts: Mapping[str, Arrays]) -> None:
    """Write the arrays of parts as one safetensors file, atomically; equal arrays give equal bytes.

    Raises:
        PerfseerError: the place cannot be written.
    """
    arrays = {
        f"{part}/{name}": np.ascontiguousarray(values)
        for part, own in parts.items()
        for name, values in own.items()
    }
    with atomic(path) as temporary:
        try:
            save_file(dict(sorted(arrays.items())), temporary)
        except SafetensorError as error:  # its own wrapper around the system's refusal
            raise OSError(str(error)) from error


def load_arrays(path: Path) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Read what `save_arrays` wrote, arrays by part and name.

    Raises:
        PerfseerError: the file is missing or damaged.
    """
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    try:
        for key, values in load_file(path).items():
            part, _, name = key.rpartition("/")
            parts.setdefault(part, {})[name] = values
        return parts
    except (OSError, SafetensorError) as error:
        raise PerfseerError(f"{path} holds no forests ({error}): train it again") from error
