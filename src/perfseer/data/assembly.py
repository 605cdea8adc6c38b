"""Assembling the dataset: from a measurement table and its graphs to the files of ``results/dataset``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, NO_GRAPH
from perfseer.data.dataset import SCHEMA_VERSION, Dataset
from perfseer.data.features import NODE_COLUMNS
from perfseer.data.files import read_parquet, write_csv, write_json, write_parquet
from perfseer.data.folds import fit_normaliser
from perfseer.data.normalisation import Normaliser
from perfseer.data.packed import PackedGraphs
from perfseer.data.quarantine import Screening, count_reasons, screen
from perfseer.data.settings import DatasetSettings, LabelSettings
from perfseer.data.splits import assign_all, held_out_style
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError, require
from perfseer.graphs.vocabulary import VOCABULARY_VERSION
from perfseer.measure.table import CONFIGURATION
from perfseer.targets import TARGET_NAMES


@dataclass(frozen=True, eq=False)
class Assembled:
    """A dataset in memory, before it is written.

    Attributes:
        data: clean rows, sorted by configuration, over the graphs.
        quarantine: refused rows with reasons.
        splits: ``configuration``, ``split``, ``seed``, ``fold``.
        normalisers: of every split and seed, fitted on its training rows only.
    """

    data: Dataset
    quarantine: pd.DataFrame
    splits: pd.DataFrame
    normalisers: dict[str, dict[int, Normaliser]]


def assemble(
    measurements: pd.DataFrame, graphs: PackedGraphs, index: pd.DataFrame, settings: DatasetSettings
) -> Assembled:
    """Screen, join, split and fit.

    Args:
        measurements: the measurement table.
        graphs: the packed store.
        index: which graph belongs to which model, input and batch size (``data/building.py``).
        settings: how labels are mapped, which splits are drawn, and the seeds.

    Returns:
        The dataset; it depends on the set of rows, not on their order (of duplicates the first is kept).

    Raises:
        PerfseerError: a column is missing, no row is usable, rows are of several devices, or a fold would
            be empty.
    """
    screening = usable(measurements, graphs, index)
    rows = screening.rows
    rows["configuration"] = [digest(list(key)) for key in rows[list(CONFIGURATION)].itertuples(index=False)]
    data = Dataset.from_rows(rows, graphs)
    table = assign_all(rows, settings.splits, settings.seeds)
    normalisers: dict[str, dict[int, Normaliser]] = {
        split: {seed: _fit(data, table, split, seed, settings.labels) for seed in settings.seeds}
        for split in settings.splits.names
    }
    return Assembled(data, screening.quarantine, table, normalisers)


def usable(measurements: pd.DataFrame, graphs: PackedGraphs, index: pd.DataFrame) -> Screening:
    """Rows of a measurement table that may be learnt from, with their graphs, and the quarantine.

    Args:
        measurements: the measurement table.
        graphs: the packed store.
        index: which graph belongs to which model, input and batch size (``data/building.py``).

    Returns:
        The usable rows sorted by configuration, with the column ``graph`` (number in the store), numbered
        from 0; and the quarantine, whose ``row`` is that of the measurement table.

    Raises:
        PerfseerError: a column is missing, no row is usable, or rows are of several devices or protocols.
    """
    _check_index(index, graphs)
    screening = screen(measurements, missing_graph=lambda rows: _missing_graphs(rows, index))
    _check_comparable(screening.rows)
    rows = screening.rows.sort_values(list(CONFIGURATION), ignore_index=True)
    rows["graph"] = _lookup(rows, index)["graph"].to_numpy(dtype=np.int64)
    return Screening(rows, screening.quarantine)


def write_dataset(
    assembled: Assembled, out: Path, *, inputs: Mapping[str, Path], settings: DatasetSettings
) -> dict[str, Any]:
    """Write rows.parquet, quarantine.csv, splits.parquet, normalisers.json and, last, manifest.json.

    Each file is replaced whole; the manifest holds the others' digests, so a set that was interrupted
    half-way is refused when it is opened. Equal input gives equal bytes.

    Args:
        assembled: the dataset.
        out: folder.
        inputs: the files it was made from, by role; ``graphs`` is checked when the dataset is opened.
        settings: kept in the manifest.

    Returns:
        The manifest.

    Raises:
        PerfseerError: the folder cannot be written.
    """
    write_parquet(out / "rows.parquet", assembled.data.rows)
    write_parquet(out / "splits.parquet", assembled.splits)
    write_csv(out / "quarantine.csv", assembled.quarantine)
    normalisers = {
        split: {str(seed): normaliser.to_json() for seed, normaliser in by_seed.items()}
        for split, by_seed in assembled.normalisers.items()
    }
    write_json(out / "normalisers.json", {"schema_version": SCHEMA_VERSION, "normalisers": normalisers})
    written = ("rows.parquet", "splits.parquet", "quarantine.csv", "normalisers.json")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "vocabulary_version": VOCABULARY_VERSION,
        "settings": settings.model_dump(mode="json", include={"labels", "splits"}),
        "seeds": list(settings.seeds),
        "digests": {
            "inputs": {role: file_digest(path) for role, path in inputs.items()},
            "outputs": {name: file_digest(out / name) for name in written},
        },
        **_describe(assembled),
    }
    write_json(out / "manifest.json", manifest)
    return manifest


def read_index(path: Path) -> pd.DataFrame:
    """Read index.parquet.

    Raises:
        PerfseerError: it is missing, damaged or foreign.
    """
    return read_parquet(path, INDEX_COLUMNS, "perfseer graph build", ("batch_size", "graph"))


def _check_comparable(rows: pd.DataFrame) -> None:
    """Labels of several devices or protocols have no common scale, and no feature tells them apart."""
    for column in ("device", "protocol_version"):
        found = sorted(rows[column].map(str).unique()) if column in rows.columns else []
        require(
            len(found) <= 1,
            f"the measurement table has rows of several values of {column} ({', '.join(found)}); "
            "make one dataset for each",
        )


def _check_index(index: pd.DataFrame, graphs: PackedGraphs) -> None:
    highest = int(index["graph"].max()) if len(index) else NO_GRAPH
    if highest >= len(graphs) or bool(index.duplicated(_key(index)).any()):
        raise PerfseerError(
            f"the index names graph {highest} of {len(graphs)}, or one configuration twice; index and graphs "
            "are of different runs: run `perfseer graph build` again"
        )


def _key(index: pd.DataFrame) -> list[str]:
    """What an index tells graphs apart by: their precision too where it says one."""
    return [*KEY, "precision"] if "precision" in index.columns else list(KEY)


def _lookup(rows: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """The index's ``graph`` and ``reason`` for each row, missing where the index does not list it."""
    key = _key(index)
    joined = rows[key].merge(index, on=key, how="left", validate="many_to_one")
    return joined.set_index(rows.index)


def _missing_graphs(rows: pd.DataFrame, index: pd.DataFrame) -> "pd.Series[Any]":
    """Why each row has no graph; missing where it has one."""
    found = _lookup(rows, index)
    reasons = found["reason"].astype(object).where(found["reason"].notna(), "no reason recorded")
    reasons = reasons.where(
        found["graph"].notna(), "not in the graph index: run `perfseer graph build` again"
    )
    return reasons.where(found["graph"].isna() | (found["graph"] == NO_GRAPH), None)


def _fit(data: Dataset, table: pd.DataFrame, split: str, seed: int, labels: LabelSettings) -> Normaliser:
    """Fit on the training rows of one split and seed."""
    folds = table.loc[(table["split"] == split) & (table["seed"] == seed), "fold"]
    train = np.flatnonzero(folds == "train")
    return fit_normaliser(data.subset(train), labels)


def _describe(assembled: Assembled) -> dict[str, Any]:
    """What a reader wants to know before opening the tables."""
    rows, quarantine = assembled.data.rows, assembled.quarantine
    return {
        "counts": {
            "rows": len(rows),
            "architectures": int(rows["architecture"].nunique()),
            "graphs": int(np.unique(assembled.data.graph_rows).size),
            "quarantined_rows": int(quarantine["row"].nunique()),
            "quarantine": count_reasons(quarantine),
        },
        "labels": {name: _statistics(rows[name]) for name in TARGET_NAMES},
        "splits": _describe_splits(assembled),
        "unknown_operators": _unknown_operators(assembled.data),
    }


def _statistics(values: "pd.Series[float]") -> dict[str, float]:
    names = ("min", "median", "mean", "max")
    return {name: float(getattr(values, name)()) for name in names}


def _describe_splits(assembled: Assembled) -> dict[str, Any]:
    """Rows and architectures per fold, and the style the ``family`` split holds out."""
    rows = assembled.data.rows
    table = assembled.splits.merge(rows[["configuration", "architecture"]], on="configuration")
    described: dict[str, Any] = {}
    for split, by_seed in assembled.normalisers.items():
        described[split] = {}
        for seed in by_seed:
            by_fold = table[(table["split"] == split) & (table["seed"] == seed)].groupby("fold")
            counts = {"rows": by_fold.size(), "architectures": by_fold["architecture"].nunique()}
            entry: dict[str, Any] = {
                name: {str(fold): int(n) for fold, n in zip(per_fold.index, per_fold, strict=True)}
                for name, per_fold in counts.items()
            }
            if split == "family":
                entry["held_out"] = held_out_style(rows["family"], seed)
            described[split][str(seed)] = entry
    return described


def _unknown_operators(data: Dataset) -> dict[str, Any]:
    """ATen operators kept as ``other`` in the graphs in use, and their share of all bytes moved."""
    used = np.unique(data.graph_rows)
    counts: dict[str, int] = {}
    for graph in sorted(set(data.graphs.unknown) & set(used.tolist())):
        for name, count in data.graphs.unknown[graph].items():
            counts[name] = counts.get(name, 0) + count
    features = data.features.take(used)
    moved = features.nodes[:, NODE_COLUMNS.index("bytes")]
    other = float(moved[features.operators == 0].sum())
    graphs = int(sum(graph in data.graphs.unknown for graph in used.tolist()))
    return {"counts": counts, "graphs": graphs, "bytes_share": other / max(float(moved.sum()), 1.0)}
