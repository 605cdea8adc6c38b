"""Fitting the entrants: every row of a result file predicted once by a model that never saw its group.

A whole study takes an hour, so a finished fold is kept on a later run as long as parameters and data are
those it was made from. Code that has changed since is not a reason to repeat it: the report says so instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from perfseer.data.dataset import Dataset
from perfseer.data.files import write_json
from perfseer.data.folds import fit_normaliser
from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.costs import Stopwatch, peak_memory_mib
from perfseer.evaluation.environment import environment
from perfseer.evaluation.group_folds import Draw, Grouping, draw
from perfseer.evaluation.predictions import table_digest
from perfseer.evaluation.records import RECORD_FILE, Counts, Digests, as_floats, differing
from perfseer.evaluation.trials import fitting_code
from perfseer.graphs.perfgraph import IntArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.registry import create, settings_class
from perfseer.predictors.settings import PredictorSettings
from perfseer.studies.public import source
from perfseer.studies.public.records import (
    FoldRecord,
    Part,
    file_errors,
    prediction_table,
    read_fold,
    write_fold,
)
from perfseer.studies.public.settings import Entrant, PublicSettings

SUMMARY_FILE = "summary.json"
# What all fits of the study depend on, besides the entrant's own section.
_SHARED = ("files", "as_measured", "folds", "valid_share", "confidence", "labels", "training")
_SCOPE = frozenset({"groupings", "seeds", "folds"})


@dataclass(frozen=True)
class Case:
    """One entrant (or variant) under one grouping at one seed.

    Attributes:
        settings: section ``public`` of the parameters.
        name: of the entrant or variant.
        grouping: by what folds are drawn.
        seed: draws folds and initial weights.
    """

    settings: PublicSettings
    name: str
    grouping: Grouping
    seed: int

    def __post_init__(self) -> None:
        known = ", ".join(self.settings.fitted)
        require(self.name in self.settings.fitted, f"no entrant {self.name!r}; there are {known}")
        entrant = self.entrant
        for what, value, allowed in (
            ("grouping", self.grouping, entrant.groupings),
            ("seed", self.seed, entrant.seeds),
        ):
            require(
                value in (allowed or ()), f"{self.name} takes part with {what} {allowed}, not with {value!r}"
            )
        self.predictor_settings()

    @property
    def entrant(self) -> Entrant:
        """Its section, complete."""
        return self.settings.entrant(self.name)

    @property
    def folder(self) -> Path:
        """Where its folds lie, below the study's folder."""
        return Path(self.name, self.grouping, str(self.seed))

    def predictor_settings(self) -> PredictorSettings:
        """The predictor's validated settings.

        Raises:
            PerfseerError: names the entrant whose settings are at fault.
        """
        entrant = self.entrant
        try:
            return settings_class(entrant.predictor).model_validate(entrant.settings)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise PerfseerError(f"public.entrants.{self.name}.settings: {'; '.join(faults)}") from error

    def create(self) -> Predictor:
        """The predictor, not fitted yet."""
        recipe = self.settings.training.changed(self.entrant.recipe)
        return create(self.entrant.predictor, self.predictor_settings(), recipe)

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The result files of each fit."""
        files = self.entrant.files or ()
        return (files,) if self.entrant.fit == "joint" else tuple((name,) for name in files)

    def digests(self) -> Digests:
        """What a record of this case must carry to be valid now; its scope does not count."""
        depends = {
            **self.settings.model_dump(mode="json", include=set(_SHARED)),
            "entrant": self.described(),
        }
        return Digests(
            params=digest(as_floats(depends)),
            code=fitting_code(self.entrant.predictor, __name__),
            data=source.data_digest(self.settings),
        )

    def described(self) -> dict[str, Any]:
        """The entrant's section without its scope, settings complete."""
        plain = self.entrant.model_dump(mode="json", exclude=set(_SCOPE))
        return {**plain, "settings": self.predictor_settings().model_dump(mode="json")}


def run(case: Case, out: Path, threads: int, log: Callable[[str], None]) -> list[Path]:
    """Fit and record every fold that has no valid record yet; then list them in summary.json.

    Args:
        case: what to fit.
        out: folder of the study.
        threads: of the numerical libraries, for the record.
        log: receives a line now and then.

    Returns:
        Paths of the records.

    Raises:
        PerfseerError: the published files cannot be had, or learning diverged.
    """
    folders = {fold: out / case.folder / str(fold) for fold in case.entrant.folds or ()}
    missing = {fold: folder for fold, folder in folders.items() if read_valid(folder, case) is None}
    if missing:
        drawn = draw_folds(case.settings, case.grouping, case.seed)
        data = source.dataset(case.settings, case.entrant.files or ())
        for fold, folder in missing.items():
            _record_fold(case, drawn, data, fold, folder, threads, log)
    records = [folder / RECORD_FILE for folder in folders.values()]
    summary = [
        {"fold": fold, "mape_pct": read_fold(path).mape_pct}
        for fold, path in zip(folders, records, strict=True)
    ]
    write_json(out / case.folder / SUMMARY_FILE, {"entrant": case.name, "folds": summary})
    return records


def read_valid(folder: Path, case: Case) -> FoldRecord | None:
    """The record in ``folder`` if it is of the present parameters and data; None if not or if absent."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        record = read_fold(path)
    except PerfseerError:
        return None  # of an older schema, or cut off: as good as absent
    present = case.digests().model_copy(update={"code": record.digests.code})
    return None if differing(record.digests, present) else record


def draw_folds(settings: PublicSettings, grouping: Grouping, seed: int) -> Draw:
    """The folds all entrants share: drawn over the rows of every file of the study."""
    rows = source.group_rows(settings)
    return draw(rows, grouping, seed, settings.folds, settings.valid_share)


def fit(case: Case, train: Dataset, valid: Dataset, log: Callable[[str], None]) -> tuple[Predictor, float]:
    """Fit a case's predictor on some rows.

    Returns:
        The predictor, and the wall time it took [s].

    Raises:
        PerfseerError: learning diverged.
    """
    model = case.create()
    with Stopwatch() as fitting:
        model.fit(train, valid, fit_normaliser(train, case.settings.labels), seed=case.seed, log=log)
    return model, fitting.seconds


def _record_fold(
    case: Case,
    drawn: Draw,
    data: Dataset,
    fold: int,
    folder: Path,
    threads: int,
    log: Callable[[str], None],
) -> None:
    """Fit, predict and record one fold; the record is written last, so a record means all is there."""
    digests = case.digests()
    parts, tables = [], []
    for files in case.groups():
        mine = data.subset(np.flatnonzero(data.rows["source"].isin(files)))
        part, table = _fit_part(case, mine, drawn.parts(mine.rows, fold), files, log)
        parts.append(part)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    record = FoldRecord(
        name=case.name,
        predictor=case.entrant.predictor,
        grouping=case.grouping,
        seed=case.seed,
        fold=fold,
        settings=case.described(),
        digests=digests,
        parts=tuple(parts),
        mape_pct=file_errors(table),
        threads=threads,
        peak_mem_mib=peak_memory_mib(),
        environment=environment(),
        predictions_digest=table_digest(table),
    )
    write_fold(folder, record, table)
    errors = ", ".join(f"{name} {value:.3g} %" for name, value in record.mape_pct.items())
    log(f"{case.folder} fold {fold}: {record.fit_s:.0f} s, MAPE {errors}")


def _fit_part(
    case: Case,
    data: Dataset,
    parts: tuple[IntArray, IntArray, IntArray],
    files: Sequence[str],
    log: Callable[[str], None],
) -> tuple[Part, pd.DataFrame]:
    """One fit: its costs, and its predictions of the test rows."""
    train, valid, test = (data.subset(part) for part in parts)
    model, fit_s = fit(case, train, valid, log)
    with Stopwatch() as predicting:
        predicted = model.predict(test)
    part = Part(
        files=tuple(files),
        n=Counts(train=len(train), valid=len(valid), test=len(test)),
        n_parameters=model.n_parameters_,
        fit_s=fit_s,
        predict_ms_per_row=1e3 * predicting.seconds / len(test),
    )
    return part, prediction_table(test, predicted, model.intervals(test, case.settings.confidence))
