"""Normalisation of labels and features: fitted on training rows only, invertible, bounded.

Labels: ln y for times and memory, ln(y / (ceiling − y)) for utilisation, then a z-score (or, for ablations,
another transform, or no z-score). Decoding clamps to the training range widened by a margin, so no finite
network output decodes to infinity or leaves the physical range. Features: ln(1 + x) of size-like columns, a
z-score, and a clip.

The paper's normalisation was not found; log1p then z-score is the live reproduction's (METHODS 1.2, 1.4),
ln instead of log1p for labels because MAPE is judged on relative error (METHODS 1.7, item 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS, FeatureArray, GraphFeatures
from perfseer.data.label_scale import LabelScale, fit_scale, without_rounding
from perfseer.data.ragged import blocks
from perfseer.data.settings import LabelSettings
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.settings import load_settings
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

_BLOCKS = {"nodes": NODE_COLUMNS, "edges": EDGE_COLUMNS, "globals_": GLOBAL_COLUMNS}
# Normalised features stay within ±CLIP standard deviations, or within the training graphs' own range where
# that is wider (columns of rare operators), so that an unseen extreme cannot explode.
CLIP = 10.0
# Bounded columns and small integers keep their scale; everything else is size-like: ln(1 + x).
_LINEAR = frozenset(
    {
        *("conv_kernel", "conv_stride", "conv_padding", "conv_dilation", "conv_bias", "linear_bias"),
        *("pool_kernel", "pool_stride", "pool_padding", "pool_ceil"),
        *("flops_share", "bytes_share", "weight_share", "density"),
    }
)


@dataclass(frozen=True)
class LabelNormaliser:
    """Labels in physical units ↔ z-scores a network learns.

    Attributes:
        scales: one `LabelScale` per target name, in column order.
    """

    scales: Mapping[str, LabelScale]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.scales)

    @classmethod
    def fit(
        cls, labels: FloatArray, settings: LabelSettings, targets: tuple[str, ...] = TARGET_NAMES
    ) -> "LabelNormaliser":
        """Fit on training labels.

        Args:
            labels: [n, len(targets)] in physical units, finite and positive, n ≥ 1; NaN where a row has none.
            settings: section ``labels`` of params.yaml.
            targets: names of the columns.

        Raises:
            PerfseerError: a label is not finite, not positive, a utilisation above 100, or a column is empty.
        """
        _check_columns(labels, targets)
        scales = {}
        for name, column in zip(targets, labels.T, strict=True):
            there = column[~np.isnan(column)]
            _check_labels(there[:, None], (name,))
            require(len(there) > 0, f"no training rows to fit a label normaliser of {name} on")
            scales[name] = fit_scale(there, name, settings)
        return cls(scales)

    def select(self, targets: tuple[str, ...]) -> "LabelNormaliser":
        """The normaliser of some of the columns, in the order given."""
        return LabelNormaliser({name: self.scales[name] for name in targets})

    def encode(self, labels: FloatArray) -> FloatArray:
        """Physical units [n, k] to z [n, k].

        Raises:
            PerfseerError: a label is not finite, not positive, or a utilisation is above 100.
        """
        _check_labels(labels, self.targets)
        return np.column_stack([scale.encode(labels[:, i]) for i, scale in self._columns()])

    def decode(self, z: FloatArray) -> FloatArray:
        """Network outputs z [n, k] to physical units [n, k]: finite, positive, utilisation at most 100.

        Raises:
            PerfseerError: an output is NaN or infinite, or the shape is wrong.
        """
        z = np.asarray(z, dtype=np.float64)
        _check_columns(z, self.targets)
        bad = ~np.isfinite(z)
        if bad.any():
            names = [name for name, column in zip(self.targets, bad.T, strict=True) if column.any()]
            raise PerfseerError(
                f"{int(bad.sum())} predictions of {', '.join(names)} are NaN or infinite; "
                "the network diverged: lower training.learning_rate and train again"
            )
        return np.column_stack([scale.decode(z[:, i]) for i, scale in self._columns()])

    def to_json(self) -> list[dict[str, Any]]:
        """JSON value that `from_json` turns into an equal normaliser; a list keeps the order of columns."""
        return [{"target": name, **vars(scale)} for name, scale in self.scales.items()]

    @classmethod
    def from_json(cls, value: Sequence[Mapping[str, Any]]) -> "LabelNormaliser":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: an entry is of no label, or its numbers map nothing.
        """
        entries = [dict(entry) for entry in value]
        names = [entry.pop("target") for entry in entries]
        scales = {
            str(name): load_settings(LabelScale, entry, f"the normaliser of {name}")
            for name, entry in zip(names, entries, strict=True)
        }
        for name, scale in scales.items():
            sound = name in TARGET_BY_NAME and scale.scale > 0 and scale.low <= scale.high
            require(
                sound and (scale.ceiling is None or scale.ceiling > 100),
                f"the normaliser of {name} maps nothing: train again",
            )
        return cls(scales)

    def _columns(self) -> enumerate[LabelScale]:
        return enumerate(self.scales.values())


@dataclass(frozen=True, eq=False)
class ColumnScales:
    """z-scores of one block of F columns; a scale of 0 marks a column that was constant in training.

    Attributes:
        columns: names.
        means: [F] after the logarithm of size-like columns.
        scales: [F] standard deviations.
        lows: [F] lower bounds of the z-scores: -`CLIP`, or the training graphs' lowest if that is lower.
        highs: [F] upper bounds.
    """

    columns: tuple[str, ...]
    means: FloatArray
    scales: FloatArray
    lows: FloatArray
    highs: FloatArray

    @classmethod
    def fit(cls, values: FeatureArray, columns: tuple[str, ...]) -> "ColumnScales":
        """Fit on raw values [N, F]; without any rows every column counts as constant."""
        zeros, clip = np.zeros(len(columns)), np.full(len(columns), CLIP)
        if not len(values):
            return cls(columns, zeros, zeros, -clip, clip)
        compressed = np.empty(values.shape)
        for block in blocks(len(values)):
            compressed[block] = _compress(values[block], columns)
        means, deviations = compressed.mean(axis=0), compressed.std(axis=0)
        scales = without_rounding(deviations, means)
        inverse = _inverse(scales)
        lows = np.minimum((compressed.min(axis=0) - means) * inverse, -CLIP)
        highs = np.maximum((compressed.max(axis=0) - means) * inverse, CLIP)
        return cls(columns, means, scales, lows, highs)

    def transform(self, values: FeatureArray) -> npt.NDArray[np.float32]:
        """Raw values [N, F] to float32 between `lows` and `highs`; constant columns become 0."""
        inverse = _inverse(self.scales)
        result = np.empty(values.shape, dtype=np.float32)
        for block in blocks(len(values)):
            scores = (_compress(values[block], self.columns) - self.means) * inverse
            result[block] = np.clip(scores, self.lows, self.highs)
        return result

    def constant(self) -> "ColumnScales":
        """Scales under which every column counts as constant and becomes 0."""
        return replace(self, scales=np.zeros_like(self.scales))

    def to_json(self) -> dict[str, Any]:
        """Column name to mean, scale, lower and upper bound."""
        values = np.column_stack([self.means, self.scales, self.lows, self.highs]).tolist()
        return dict(zip(self.columns, values, strict=True))

    @classmethod
    def from_json(cls, value: Mapping[str, Any], columns: tuple[str, ...]) -> "ColumnScales":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: the columns are not those this perfseer computes.
        """
        if set(value) != set(columns):
            different = sorted(set(value) ^ set(columns))
            raise PerfseerError(
                f"the normaliser is of other features (differing in {different}): "
                "run `perfseer dataset` and train again"
            )
        means, scales, lows, highs = np.array([value[name] for name in columns], dtype=np.float64).T
        sound = all(np.isfinite(part).all() for part in (means, scales, lows, highs))
        require(
            sound and bool((scales >= 0).all()), "the normaliser has numbers that map nothing: train again"
        )
        return cls(columns, means, scales, lows, highs)


@dataclass(frozen=True, eq=False)
class FeatureNormaliser:
    """Raw features to bounded float32 z-scores; statistics of the training graphs only."""

    nodes: ColumnScales
    edges: ColumnScales
    globals_: ColumnScales

    @classmethod
    def fit(cls, features: GraphFeatures, graphs: IntArray) -> "FeatureNormaliser":
        """Fit on the chosen (training) graphs; each distinct graph counts once.

        Args:
            features: raw features of all graphs.
            graphs: [n] graph numbers of the training rows, may repeat.
        """
        chosen = features.take(np.unique(graphs))
        return cls(
            **{name: ColumnScales.fit(getattr(chosen, name), columns) for name, columns in _BLOCKS.items()}
        )

    def transform(self, features: GraphFeatures) -> GraphFeatures:
        """The same graphs with bounded float32 features."""
        bounded = {name: getattr(self, name).transform(getattr(features, name)) for name in _BLOCKS}
        return replace(features, **bounded)

    def without(self, *blocks: str) -> "FeatureNormaliser":
        """A normaliser that makes every column of some blocks constant (0): an ablation of those features.

        Args:
            blocks: among ``nodes``, ``edges`` and ``globals_``.
        """
        return replace(self, **{name: getattr(self, name).constant() for name in blocks})

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal normaliser."""
        return {name.rstrip("_"): getattr(self, name).to_json() for name in _BLOCKS}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FeatureNormaliser":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: the columns are not those this perfseer computes.
        """
        items = _BLOCKS.items()
        return cls(**{name: ColumnScales.from_json(value[name.rstrip("_")], names) for name, names in items})


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Both normalisers of one fold."""

    labels: LabelNormaliser
    features: FeatureNormaliser

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal normaliser."""
        return {"labels": self.labels.to_json(), "features": self.features.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Normaliser":
        """Read what `to_json` gave."""
        return cls(LabelNormaliser.from_json(value["labels"]), FeatureNormaliser.from_json(value["features"]))


def _inverse(scales: FloatArray) -> FloatArray:
    """1 / scale, and 0 for constant columns: they become 0 instead of a division by zero."""
    return np.divide(1.0, scales, out=np.zeros_like(scales), where=scales > 0)


def _compress(values: FeatureArray, columns: tuple[str, ...]) -> FeatureArray:
    """[N, F]: sign(x) ln(1 + |x|) of size-like columns; the others as they are."""
    linear = np.array([name in _LINEAR for name in columns])
    result = np.copysign(np.log1p(np.abs(values)), values)
    result[:, linear] = values[:, linear]
    return result


def _check_columns(values: FloatArray, targets: tuple[str, ...]) -> None:
    if values.ndim != 2 or values.shape[1] != len(targets):
        raise PerfseerError(
            f"labels of shape {values.shape}, expected [n, {len(targets)}] for {', '.join(targets)}"
        )


def _check_labels(labels: FloatArray, targets: tuple[str, ...]) -> None:
    _check_columns(labels, targets)
    for name, column in zip(targets, labels.T, strict=True):
        highest = 100.0 if TARGET_BY_NAME[name].quantity == "util" else np.inf
        good = np.isfinite(column) & (column > 0) & (column <= highest)
        if not good.all():
            raise PerfseerError(
                f"{int((~good).sum())} labels {name} are not finite, positive and in range "
                f"(for example {column[~good][0]}): `perfseer dataset` puts such rows into quarantine"
            )
