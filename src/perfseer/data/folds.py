"""Folds: the train, valid and test rows of one split and seed, with the normaliser fitted on train."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perfseer.data.dataset import WRITTEN_BY, Dataset, check_digest, read_manifest
from perfseer.data.files import read_json, read_parquet
from perfseer.data.normalisation import FeatureNormaliser, LabelNormaliser, Normaliser
from perfseer.data.settings import LabelSettings
from perfseer.errors import require
from perfseer.targets import TARGET_NAMES


@dataclass(frozen=True, eq=False)
class Fold:
    """One split at one seed.

    Attributes:
        split: ``architecture``, ``random`` or ``family``.
        seed: which draw of it.
        train: rows to fit on.
        valid: rows to stop early and choose on.
        test: rows to report on.
        normaliser: fitted on ``train`` only.
    """

    split: str
    seed: int
    train: Dataset
    valid: Dataset
    test: Dataset
    normaliser: Normaliser


def open_fold(dataset: Dataset, folder: Path, split: str, seed: int) -> Fold:
    """Open one fold of what ``perfseer dataset`` wrote.

    Args:
        dataset: opened from the same folder.
        folder: holds splits.parquet, normalisers.json and manifest.json.
        split: its name.
        seed: its seed.

    Raises:
        PerfseerError: there is no such split or seed, or a file is damaged or of another dataset.
    """
    digests = read_manifest(folder)["digests"]["outputs"]
    for name in ("splits.parquet", "normalisers.json"):
        check_digest(folder / name, digests[name])
    table = read_parquet(folder / "splits.parquet", ("configuration", "split", "seed", "fold"), WRITTEN_BY)
    chosen = table[(table["split"] == split) & (table["seed"] == seed)].set_index("configuration")["fold"]
    available = sorted(
        {f"{name} {number}" for name, number in zip(table["split"], table["seed"], strict=True)}
    )
    require(
        len(chosen) > 0, f"no split {split!r} with seed {seed} in {folder}; there are {', '.join(available)}"
    )
    folds = dataset.rows["configuration"].map(chosen)
    require(
        not folds.isna().any(), f"{folder}/splits.parquet is of another dataset: run `{WRITTEN_BY}` again"
    )
    parts = {name: dataset.subset(np.flatnonzero(folds == name)) for name in ("train", "valid", "test")}
    normalisers = read_json(folder / "normalisers.json", WRITTEN_BY)["normalisers"]
    return Fold(split, seed, **parts, normaliser=Normaliser.from_json(normalisers[split][str(seed)]))


def fit_normaliser(train: Dataset, settings: LabelSettings) -> Normaliser:
    """Scales of the labels that ``train`` has and of its features, from its rows alone.

    Raises:
        PerfseerError: there are no rows, or a label cannot be scaled.
    """
    columns = [TARGET_NAMES.index(name) for name in train.targets]
    return Normaliser(
        LabelNormaliser.fit(train.labels[:, columns], settings, train.targets),
        FeatureNormaliser.fit(train.features, train.graph_rows),
    )
