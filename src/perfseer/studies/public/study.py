"""What the report is rendered from: the records of the study, their predictions, facts of the rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.evaluation.metrics import relative_errors, within_name
from perfseer.evaluation.records import RECORD_FILE
from perfseer.evaluation.significance import Resampled, clustered_bootstrap
from perfseer.studies.memory.section import load as load_memory
from perfseer.studies.memory.study import MemoryStudy
from perfseer.studies.public.facts import FACT_COLUMNS, FACTS_FILE, read_facts
from perfseer.studies.public.fitting import Case, read_valid
from perfseer.studies.public.records import INTERVAL, FoldRecord, read_predictions
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.public.unseen import UnseenCase, read_unseen_table, read_valid_unseen

_ROW = ["grouping", "seed", "configuration"]


@dataclass(frozen=True, eq=False)
class Study:
    """The inputs of the report.

    Attributes:
        settings: section ``public`` of the parameters.
        records: entrant or variant → its valid records; what is absent has not been fitted.
        tables: entrant, variant or mean → predictions of all its folds with ``grouping``, ``seed``, ``fold``
            and ``error_pct``, the signed relative error [%].
        unseen: device that was left out → predictions of all its seeds, with ``seed``, ``measured``,
            ``known`` and ``error_pct``; see `studies.public.unseen`.
        memory: what is known of forecasts of memory; None where not computed.
        facts: one row per configuration, by its name; empty where not described.
        n_older: records made by an earlier version of the code.
    """

    settings: PublicSettings
    records: Mapping[str, tuple[FoldRecord, ...]]
    tables: Mapping[str, pd.DataFrame]
    unseen: Mapping[str, pd.DataFrame]
    memory: MemoryStudy | None
    facts: pd.DataFrame
    n_older: int
    _cache: dict[tuple[str, str, str], pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Entrants, then means: who is compared."""
        return (*self.settings.entrants, *self.settings.means)

    def rows(self, name: str, grouping: str, file: str) -> pd.DataFrame:
        """Predictions of one file under one grouping, seeds that are complete only."""
        key = (name, grouping, file)
        if key not in self._cache:
            table = self.tables.get(name)
            found = pd.DataFrame() if table is None else _chosen(table, grouping, file)
            self._cache[key] = self._complete(name, found)
        return self._cache[key]

    def _complete(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        if rows.empty:
            return rows
        folds = {fold for one in self._members(name) for fold in self.settings.entrant(one).folds or ()}
        whole = rows.groupby("seed")["fold"].nunique() == len(folds)
        return rows[rows["seed"].map(whole)]

    def _members(self, name: str) -> tuple[str, ...]:
        return self.settings.means.get(name, (name,))

    def values(self, name: str, grouping: str, file: str, metric: str) -> dict[int, float]:
        """A metric by seed [%]: ``mape_pct``, ``median_pct`` or ``within_<x>_pct``."""
        rows = self.rows(name, grouping, file)
        if rows.empty:
            return {}
        tolerances = {within_name(x): x for x in self.settings.within_pct}
        return {
            seed: _metric(rows.loc[rows["seed"] == seed, "error_pct"].abs(), metric, tolerances)
            for seed in sorted(rows["seed"].unique().tolist())
        }

    def mean(self, name: str, grouping: str, file: str, metric: str = "mape_pct") -> Interval | None:
        """Its mean over seeds; None without a complete seed."""
        values = list(self.values(name, grouping, file, metric).values())
        return mean_interval(values, self.settings.seed_confidence) if values else None

    def difference(self, first: str, second: str, grouping: Grouping, file: str) -> Resampled | None:
        """Absolute error of ``first`` minus that of ``second`` on the rows both predicted [points].

        Groups are resampled as a whole, and seeds; None where they share no row.
        """
        one, other = (self.rows(name, grouping, file) for name in (first, second))
        if one.empty or other.empty:
            return None
        joined = one.merge(other[[*_ROW, "error_pct"]], on=_ROW, suffixes=("", "_other"))
        if joined.empty:
            return None
        values = joined["error_pct"].abs() - joined["error_pct_other"].abs()
        return self.resampled(values.to_numpy(), joined[grouping], joined["seed"])

    def resampled(self, values: np.ndarray, clusters: pd.Series, seeds: pd.Series) -> Resampled:
        """Mean of values [n] with its interval over clusters and seeds."""
        return clustered_bootstrap(
            np.asarray(values, dtype=np.float64)[:, np.newaxis],
            clusters,
            confidence=self.settings.seed_confidence,
            resamples=self.settings.resamples,
            seed=0,
            repeats=seeds if len(set(seeds)) > 1 else None,
        )

    def files(self, name: str) -> tuple[str, ...]:
        """Files that an entrant, variant or mean has predictions of, in the study's order."""
        table = self.tables.get(name)
        there = set() if table is None else set(table["source"])
        return tuple(file for file in self.settings.files if file in there)

    def missing(self) -> list[str]:
        """What was not fitted, a line for each entrant or variant at fault."""
        lines = []
        for name in self.settings.fitted:
            wanted, found = len(list(_cases(self.settings, name))), len(self.records.get(name, ()))
            expected = wanted * len(self.settings.entrant(name).folds or ())
            if found < expected:
                lines.append(f"`{name}` ({found} of {expected} folds)")
        for device in self.settings.unseen.devices if self.settings.unseen else ():
            if device not in self.unseen:
                lines.append(f"unseen device `{device}`")
        return lines


def load_study(settings: PublicSettings, folder: Path) -> Study:
    """Read every record that is of the present parameters and result files.

    Args:
        settings: section ``public`` of the parameters.
        folder: of the study, written by `perfseer public fit` and `perfseer public describe`.

    Raises:
        PerfseerError: a table is not the one its record was made with, or a file is damaged.
    """
    records: dict[str, tuple[FoldRecord, ...]] = {}
    tables: dict[str, pd.DataFrame] = {}
    n_older = 0
    for name in settings.fitted:
        found, parts = [], []
        for grouping, seed in _cases(settings, name):
            case = Case(settings, name, grouping, seed)
            for path, record in _valid(case, folder):
                found.append(record)
                n_older += record.digests.code != case.digests().code
                parts.append(_table(path, record))
        records[name] = tuple(found)
        if parts:
            tables[name] = pd.concat(parts, ignore_index=True)
    for name, members in settings.means.items():
        if all(member in tables for member in members):
            tables[name] = _mean_table([tables[member] for member in members])
    return Study(
        settings, records, tables, _unseen(settings, folder), load_memory(folder), _facts(folder), n_older
    )


def _cases(settings: PublicSettings, name: str) -> Iterator[tuple[Grouping, int]]:
    entrant = settings.entrant(name)
    return product(entrant.groupings or (), entrant.seeds or ())


def _valid(case: Case, folder: Path) -> Iterator[tuple[Path, FoldRecord]]:
    for fold in case.entrant.folds or ():
        place = folder / case.folder / str(fold)
        record = read_valid(place, case)
        if record is not None:
            yield place / RECORD_FILE, record


def _table(path: Path, record: FoldRecord) -> pd.DataFrame:
    table = read_predictions(path, record)
    table["error_pct"] = _errors(table)
    return table.assign(grouping=record.grouping, seed=record.seed, fold=record.fold)


def _errors(table: pd.DataFrame) -> np.ndarray:
    return 100.0 * relative_errors(table["actual_ms"].to_numpy(), table["predicted_ms"].to_numpy())


def _mean_table(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Geometric mean of the predictions of the rows all have; intervals are not carried over."""
    first = tables[0].drop(columns=[name for name in INTERVAL if name in tables[0]])
    logs = np.log(first.set_index(_ROW)["predicted_ms"])
    for table in tables[1:]:
        logs = logs.add(np.log(table.set_index(_ROW)["predicted_ms"]))
    merged = (logs / len(tables)).dropna().rename("mean").reset_index()
    result = first.merge(merged, on=_ROW)
    result["predicted_ms"] = np.exp(result.pop("mean"))
    result["error_pct"] = _errors(result)
    return result


def _unseen_cases(settings: PublicSettings) -> Iterator[tuple[str, int]]:
    unseen = settings.unseen
    return product(unseen.devices, unseen.seeds) if unseen is not None else product((), ())


def _unseen(settings: PublicSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Predictions of devices that were left out, those with valid records."""
    found: dict[str, list[pd.DataFrame]] = {}
    for device, seed in _unseen_cases(settings):
        case = UnseenCase(settings, device, seed)
        record = read_valid_unseen(folder / case.folder, case)
        if record is not None:
            table = read_unseen_table(folder / case.folder, record)
            found.setdefault(device, []).append(table.assign(error_pct=_errors(table), seed=seed))
    return {device: pd.concat(parts, ignore_index=True) for device, parts in found.items()}


def _facts(folder: Path) -> pd.DataFrame:
    there = (folder / FACTS_FILE).is_file()
    table = read_facts(folder) if there else pd.DataFrame(columns=list(FACT_COLUMNS))
    return table.set_index("configuration", drop=False)


def _chosen(table: pd.DataFrame, grouping: str, file: str) -> pd.DataFrame:
    return table[(table["grouping"] == grouping) & (table["source"] == file)]


def _metric(sizes_pct: "pd.Series[float]", metric: str, tolerances: Mapping[str, float]) -> float:
    if metric in tolerances:
        return float(100.0 * (sizes_pct <= tolerances[metric] + 1e-10).mean())
    return float(sizes_pct.median() if metric == "median_pct" else sizes_pct.mean())
