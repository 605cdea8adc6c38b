"""Fitting the entrants: every row of a result file predicted once by a model that never saw its group.

A whole study takes an hour, so a finished fold is kept on a later run as long as parameters and data are
those it was made from. Code that has changed since is not a reason to repeat it: the report says so instead.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.files import write_json
from perfseer.data.folds import Fold, fit_normaliser
from perfseer.digests import digest
from perfseer.errors import require
from perfseer.evaluation.environment import environment
from perfseer.evaluation.group_folds import Draw, Grouping, draw
from perfseer.evaluation.predictions import table_digest
from perfseer.evaluation.records import RECORD_FILE, Counts, Digests, as_floats, write_record
from perfseer.evaluation.trials import Fitted, Log, fit, fitting_code, kept, peak_memory_mib
from perfseer.predictors.base import FitInputs
from perfseer.predictors.registry import create, settings_class
from perfseer.predictors.settings import PredictorSettings
from perfseer.studies.public import source
from perfseer.studies.public.records import FoldRecord, Part, file_errors, prediction_table
from perfseer.studies.public.settings import Complete, PublicSettings
from perfseer.validation import validated

SUMMARY_FILE = "summary.json"
# What all fits of the study depend on, besides the entrant's own section.
_SHARED = ("files", "as_measured", "folds", "valid_share", "confidence", "labels", "training", "elsewhere")
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
        for what, allowed in (("grouping", entrant.groupings), ("seed", entrant.seeds)):
            value = getattr(self, what)
            require(value in allowed, f"{self.name} takes part with {what} {allowed}, not with {value!r}")
        self.predictor_settings()

    @property
    def entrant(self) -> Complete:
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
        where = f"public.entrants.{self.name}.settings"
        return validated(settings_class(self.entrant.predictor), self.entrant.settings, where)

    def fit(self, train: Dataset, valid: Dataset, log: Log, tested: Dataset | None = None) -> Fitted:
        """Fit the predictor; what it is tested on is the caller's.

        Args:
            train: rows to learn from.
            valid: rows to stop and calibrate on.
            log: receives a line now and then.
            tested: rows whose groups may not be learnt from on other devices either.

        Raises:
            PerfseerError: learning diverged.
        """
        unseen = pd.concat([part.rows[self.grouping] for part in (valid, tested) if part is not None])
        joint = self.entrant.fit == "joint"
        elsewhere = source.elsewhere(self.settings, self.grouping, set(unseen)) if joint else None
        recipe = self.settings.training.changed(self.entrant.recipe)
        model = create(self.entrant.predictor, self.predictor_settings(), recipe)
        normaliser = fit_normaliser(train, self.settings.labels)
        fold = Fold(self.grouping, self.seed, train, valid, valid, normaliser)
        return fit(model, fold, log=log, inputs=FitInputs(elsewhere=elsewhere))

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The result files of each fit."""
        files = self.entrant.files
        return (files,) if self.entrant.fit == "joint" else tuple((name,) for name in files)

    def digests(self) -> Digests:
        """What a record of this case must carry to be valid now; its scope does not count."""
        shared = self.settings.model_dump(mode="json", include=set(_SHARED))
        depends = {**shared, "entrant": self.described()}
        return Digests(
            params=digest(as_floats(depends)),
            code=fitting_code(self.entrant.predictor, __name__),
            data=source.data_digest(self.settings),
        )

    def described(self) -> dict[str, Any]:
        """The entrant's section without its scope, settings complete."""
        plain = self.entrant.model_dump(mode="json", exclude=set(_SCOPE))
        return {**plain, "settings": self.predictor_settings().model_dump(mode="json")}

    def kept(self, folder: Path) -> FoldRecord | None:
        """The record in the folder of a fold, if it is of the present parameters and data."""
        return kept(folder / RECORD_FILE, self.digests(), FoldRecord.read)


def run(case: Case, out: Path, threads: int, log: Log) -> list[Path]:
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
    folders = {fold: out / case.folder / str(fold) for fold in case.entrant.folds}
    missing = [fold for fold, folder in folders.items() if case.kept(folder) is None]
    if missing:
        drawn = draw_folds(case.settings, case.grouping, case.seed)
        data = source.dataset(case.settings, case.entrant.files)
        for fold in missing:
            write_record(folders[fold], *_fit_fold(case, drawn, data, fold, threads, log))
    records = {fold: folder / RECORD_FILE for fold, folder in folders.items()}
    summary = [{"fold": fold, "mape_pct": FoldRecord.read(path).mape_pct} for fold, path in records.items()]
    write_json(out / case.folder / SUMMARY_FILE, {"entrant": case.name, "folds": summary})
    return list(records.values())


def draw_folds(settings: PublicSettings, grouping: Grouping, seed: int) -> Draw:
    """The folds all entrants share: drawn over the rows of every file of the study."""
    rows = source.group_rows(settings)
    return draw(rows, grouping, seed, settings.folds, settings.valid_share)


def _fit_fold(
    case: Case, drawn: Draw, data: Dataset, fold: int, threads: int, log: Log
) -> tuple[FoldRecord, pd.DataFrame]:
    """Fit and predict one fold: its record, and the predictions of its test rows."""
    digests = case.digests()
    fits = [_fit_part(case, drawn, data, fold, files, log) for files in case.groups()]
    table = pd.concat([predicted for _, predicted in fits], ignore_index=True)
    record = FoldRecord(
        name=case.name,
        predictor=case.entrant.predictor,
        grouping=case.grouping,
        seed=case.seed,
        fold=fold,
        settings=case.described(),
        digests=digests,
        parts=tuple(part for part, _ in fits),
        mape_pct=file_errors(table),
        threads=threads,
        peak_mem_mib=peak_memory_mib(),
        environment=environment(),
        predictions_digest=table_digest(table),
    )
    errors = ", ".join(f"{name} {value:.3g} %" for name, value in record.mape_pct.items())
    log(f"{case.folder} fold {fold}: {record.fit_s:.0f} s, MAPE {errors}")
    return record, table


def _fit_part(
    case: Case, drawn: Draw, data: Dataset, fold: int, files: tuple[str, ...], log: Log
) -> tuple[Part, pd.DataFrame]:
    """One fit, on some of the files: its costs, and its predictions of the test rows."""
    mine = data.subset(np.flatnonzero(data.rows["source"].isin(files)))
    train, valid, test = (mine.subset(part) for part in drawn.parts(mine.rows, fold))
    fitted = case.fit(train, valid, log, test)
    predicted, predict_ms = fitted.timed(test)
    part = Part(
        files=files,
        n=Counts(train=len(train), valid=len(valid), test=len(test)),
        n_parameters=fitted.model.n_parameters_,
        fit_s=fitted.fit_s,
        predict_ms_per_row=predict_ms,
    )
    return part, prediction_table(test, predicted, fitted.model.intervals(test, case.settings.confidence))
