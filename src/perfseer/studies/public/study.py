"""What the report is rendered from: the records of the study, their predictions, facts of the rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.ledger import MISSING, STALE, VALID, Contender, Entry, Ledger, Trial
from perfseer.evaluation.metrics import within_name
from perfseer.evaluation.records import RECORD_FILE, Digests
from perfseer.evaluation.significance import Resampled, clustered_bootstrap
from perfseer.evaluation.trials import is_stale, kept
from perfseer.studies.memory.section import load as load_memory
from perfseer.studies.memory.study import MemoryStudy
from perfseer.studies.public.facts import read_facts
from perfseer.studies.public.fitting import Case
from perfseer.studies.public.records import COLUMNS, INTERVAL, FoldRecord, errors_pct
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.public.unseen import UnseenCase, UnseenRecord

LEDGER_FILE = "ledger.parquet"
_ROW = ["grouping", "seed", "configuration"]
_NO_ROWS = pd.DataFrame(columns=[*COLUMNS, "grouping", "seed", "fold"]).assign(error_pct=0.0)
AnyRecord = TypeVar("AnyRecord", FoldRecord, UnseenRecord)
# A record, its predictions with their errors, and whether the code has changed since.
Loaded = tuple[AnyRecord, pd.DataFrame, bool]


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
        older: records made by an earlier version of the code.
        older_unseen: the same of devices that were left out.
    """

    settings: PublicSettings
    records: Mapping[str, tuple[FoldRecord, ...]]
    tables: Mapping[str, pd.DataFrame]
    unseen: Mapping[str, pd.DataFrame]
    memory: MemoryStudy | None
    facts: pd.DataFrame
    older: tuple[FoldRecord, ...]
    older_unseen: tuple[UnseenRecord, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Entrants, then means: who is compared."""
        return (*self.settings.entrants, *self.settings.means)

    @property
    def all_records(self) -> list[FoldRecord]:
        """Records of all entrants and variants."""
        return [record for records in self.records.values() for record in records]

    def rows(self, name: str, grouping: str, file: str) -> pd.DataFrame:
        """Predictions of one file under one grouping, seeds that are complete only."""
        return self._complete.get((name, grouping, file), _NO_ROWS)

    @cached_property
    def _complete(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        complete = {}
        for name, table in self.tables.items():
            members = map(self.settings.entrant, self.settings.members(name))
            folds = {fold for member in members for fold in member.folds}
            there = table.groupby(["grouping", "source", "seed"])["fold"].transform("nunique")
            for (grouping, file), rows in table[there == len(folds)].groupby(["grouping", "source"]):
                complete[name, str(grouping), str(file)] = rows
        return complete

    @cached_property
    def ledger(self) -> Ledger:
        """Errors of everyone by grouping, file and seed, and of devices that were left out."""
        trials = (*self._trials(), *self._unseen_trials())
        return Ledger.of("public", trials, self.settings.seed_confidence)

    def contender(self, name: str, grouping: str) -> Contender:
        """An entrant, mean or variant in the ledger."""
        variant = self.settings.variants.get(name)
        return Contender(variant.of, name, grouping) if variant else Contender(name, "", grouping)

    def without(self, device: str, measured: int = 0, *, known: bool = False) -> Contender:
        """Who predicts a device that was left out, in the ledger.

        Args:
            device: a key of ``unseen.devices``.
            measured: models measured there.
            known: whether other devices have shown the architectures.
        """
        entrant = self.settings.unseen.entrant if self.settings.unseen else ""
        return Contender(entrant, f"{measured} measured, {'known' if known else 'new'} architectures", device)

    def _trials(self) -> Iterator[Trial]:
        older = {(record.name, record.grouping, record.seed) for record in self.older}
        for name in (*self.names, *self.settings.variants):
            for grouping, seed in sorted(self.settings.draws(name)):
                entries = tuple(self._entries(name, grouping, seed))
                stale = any((member, grouping, seed) in older for member in self.settings.members(name))
                status = (STALE if stale else VALID) if entries else MISSING
                yield Trial(self.contender(name, grouping), seed, entries, status)

    def _entries(self, name: str, grouping: Grouping, seed: int) -> Iterator[Entry]:
        tolerances = {within_name(x): x for x in self.settings.within_pct}
        for file in self.settings.files:
            rows = self.rows(name, grouping, file)
            sizes = rows.loc[rows["seed"] == seed, "error_pct"].abs()
            if len(sizes):
                yield Entry(file, "mape_pct", float(sizes.mean()), len(sizes))
                yield Entry(file, "median_pct", float(sizes.median()), len(sizes))
                for metric, x in tolerances.items():
                    yield Entry(file, metric, float(100.0 * (sizes <= x + 1e-10).mean()), len(sizes))

    def _unseen_trials(self) -> Iterator[Trial]:
        older = {(record.device, record.seed) for record in self.older_unseen}
        for device, table in self.unseen.items():
            for _, rows in table.groupby(["measured", "known", "source"]):
                head, sizes = rows.iloc[0], rows["error_pct"].abs().groupby(rows["seed"])
                contender = self.without(device, int(head["measured"]), known=bool(head["known"]))
                for seed, mean, n in zip(sorted(set(rows["seed"])), sizes.mean(), sizes.size(), strict=True):
                    entry = Entry(str(head["source"]), "mape_pct", float(mean), int(n))
                    yield Trial(contender, seed, (entry,), STALE if (device, seed) in older else VALID)
        for device, seed in self.settings.unseen_draws:
            if device not in self.unseen or seed not in set(self.unseen[device]["seed"]):
                yield Trial(self.without(device)._replace(variant=""), seed, (), MISSING)

    def values(self, name: str, grouping: str, file: str, metric: str = "mape_pct") -> dict[int, float]:
        """A metric by seed [%]: ``mape_pct``, ``median_pct`` or ``within_<x>_pct``."""
        return self.ledger.values(self.contender(name, grouping), file, metric)

    def mean(self, name: str, grouping: str, file: str, metric: str = "mape_pct") -> Interval | None:
        """Mean of a metric over seeds [%]; None without a complete seed."""
        return self.ledger.mean(self.contender(name, grouping), file, metric)

    def difference(self, first: str, second: str, grouping: Grouping, file: str) -> Resampled | None:
        """Absolute error of ``first`` minus that of ``second`` on the rows both predicted [points].

        Groups are resampled as a whole, and seeds; None where they share no row.
        """
        own, others = (self.rows(name, grouping, file) for name in (first, second))
        if own.empty or others.empty:
            return None
        joined = own.merge(others[[*_ROW, "error_pct"]], on=_ROW, suffixes=("", "_other"))
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
        there = set(self.tables.get(name, _NO_ROWS)["source"])
        return tuple(file for file in self.settings.files if file in there)

    def missing(self) -> list[str]:
        """What was not fitted, a line for each entrant, variant or device at fault."""
        lines = []
        for name in self.settings.fitted:
            wanted = len(self.settings.draws(name)) * len(self.settings.entrant(name).folds)
            if len(self.records[name]) < wanted:
                lines.append(f"`{name}` ({len(self.records[name])} of {wanted} folds)")
        devices = dict.fromkeys(device for device, _ in self.settings.unseen_draws)
        return [*lines, *(f"unseen device `{device}`" for device in devices if device not in self.unseen)]


def load_study(settings: PublicSettings, folder: Path) -> Study:
    """Read every record that is of the present parameters and result files.

    Args:
        settings: section ``public`` of the parameters.
        folder: of the study, written by `perfseer public fit` and `perfseer public describe`.

    Raises:
        PerfseerError: a table is not the one its record was made with, or a file is damaged.
    """
    fitted = {name: list(_fitted(settings, name, folder)) for name in settings.fitted}
    without: dict[str, list[Loaded[UnseenRecord]]] = {}
    for device, seed in settings.unseen_draws:
        without.setdefault(device, []).extend(_without(UnseenCase(settings, device, seed), folder))
    tables = {name: _joined(loaded) for name, loaded in fitted.items() if loaded}
    for name, members in settings.means.items():
        if all(member in tables for member in members):
            tables[name] = _mean_table([tables[member] for member in members])
    return Study(
        settings,
        records={name: tuple(record for record, _, _ in loaded) for name, loaded in fitted.items()},
        tables=tables,
        unseen={device: _joined(loaded) for device, loaded in without.items() if loaded},
        memory=load_memory(folder),
        facts=read_facts(folder),
        older=_older(fitted.values()),
        older_unseen=_older(without.values()),
    )


def _fitted(settings: PublicSettings, name: str, folder: Path) -> Iterator[Loaded[FoldRecord]]:
    for grouping, seed in settings.draws(name):
        case = Case(settings, name, grouping, seed)
        present = case.digests()
        for fold in case.entrant.folds:
            yield from _load(folder / case.folder / str(fold), present, FoldRecord)


def _without(case: UnseenCase, folder: Path) -> Iterator[Loaded[UnseenRecord]]:
    yield from _load(folder / case.folder, case.digests(), UnseenRecord)


def _load(folder: Path, present: Digests, kind: type[AnyRecord]) -> Iterator[Loaded[AnyRecord]]:
    """The record in a folder, if it is of the present parameters and data, and its predictions."""
    path = folder / RECORD_FILE
    record = kept(path, present, kind.read)
    if record is not None:
        table = record.read_table(path)
        table = table.assign(error_pct=errors_pct(table), seed=record.seed)
        if isinstance(record, FoldRecord):
            table = table.assign(grouping=record.grouping, fold=record.fold)
        yield record, table, is_stale(record, present)


def _older(everything: Iterable[Sequence[Loaded[AnyRecord]]]) -> tuple[AnyRecord, ...]:
    return tuple(record for loaded in everything for record, _, is_older in loaded if is_older)


def _joined(loaded: Sequence[Loaded[AnyRecord]]) -> pd.DataFrame:
    return pd.concat([table for _, table, _ in loaded], ignore_index=True)


def _mean_table(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Geometric mean of the predictions of the rows all have; intervals are not carried over."""
    logs = reduce(pd.Series.add, [np.log(table.set_index(_ROW)["predicted_ms"]) for table in tables])
    first = tables[0].drop(columns=["predicted_ms", *INTERVAL], errors="ignore")
    result = first.merge(np.exp(logs / len(tables)).dropna().reset_index(), on=_ROW)
    return result.assign(error_pct=errors_pct(result))
