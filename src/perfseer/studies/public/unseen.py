"""A device that training never saw: predicted from its published figures, then from few measured models.

Per device and seed one fit, on the result files of the other devices without one fold of architectures. The
models to measure come from the other folds, so the held-out fold's rows on the device are new in both ways:
no architecture of it was seen on any device, and nothing but the measured models on this one. The remaining
rows of the device (architectures known from other devices) are scored too, those that were measured left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import NonNegativeInt

from perfseer.data.dataset import Dataset
from perfseer.data.files import write_json
from perfseer.data.platforms import Platform
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.environment import environment
from perfseer.evaluation.predictions import table_digest
from perfseer.evaluation.records import RECORD_FILE, Digests, NonNegative, Tabled, write_record
from perfseer.evaluation.trials import Log, fitting_code, kept
from perfseer.forecast.calibration import calibrate, choose, measuring_cost_s
from perfseer.predictors.base import Predictor
from perfseer.studies.public import source
from perfseer.studies.public.fitting import SUMMARY_FILE, Case, draw_folds
from perfseer.studies.public.records import COLUMNS, INTERVAL, prediction_table
from perfseer.studies.public.settings import PublicSettings, Unseen
from perfseer.targets import Phase

UNSEEN_FOLDER = "unseen"
# Besides `records.COLUMNS`: how many models were measured to calibrate with, and whether the architecture may
# have been in training, on other devices.
UNSEEN_COLUMNS = (*COLUMNS, "measured", "known")
_GROUPING: Literal["architecture"] = "architecture"


class UnseenRecord(Tabled):
    """What became of one device at one seed.

    Attributes:
        device: name in ``public.unseen.devices``.
        fold: of the study's draw at this seed that was held out.
        chosen: models measured, in the order in which they are taken.
        fit_s: wall time of fitting the base [s].
    """

    written_by = "perfseer public unseen"
    columns = UNSEEN_COLUMNS

    device: str
    fold: NonNegativeInt
    chosen: tuple[str, ...]
    fit_s: NonNegative


@dataclass(frozen=True)
class UnseenCase:
    """One device at one seed.

    Attributes:
        settings: section ``public``.
        device: a key of ``unseen.devices``.
        seed: draws fold and initial weights.
    """

    settings: PublicSettings
    device: str
    seed: int

    def __post_init__(self) -> None:
        names = ", ".join(self.unseen.devices)
        require(self.device in self.unseen.devices, f"no device {self.device!r}; there are {names}")
        require(self.seed in self.unseen.seeds, f"public.unseen has no seed {self.seed}")

    @property
    def unseen(self) -> Unseen:
        """Section ``public.unseen``.

        Raises:
            PerfseerError: there is none.
        """
        if self.settings.unseen is None:
            raise PerfseerError("section public has no unseen, which says what devices to leave out")
        return self.settings.unseen

    @property
    def folder(self) -> Path:
        """Where its record lies, below the study's folder."""
        return Path(UNSEEN_FOLDER, self.device, str(self.seed))

    @property
    def fold(self) -> int:
        """The fold of architectures that is held out on every device."""
        return self.seed % self.settings.folds

    @property
    def case(self) -> Case:
        """The entrant that is fitted on the other devices."""
        return Case(self.settings, self.unseen.entrant, _GROUPING, self.seed)

    def digests(self) -> Digests:
        """What a record must carry to be valid now."""
        base = self.case.digests()
        own = [base.params, self.device, *self.unseen.devices[self.device], self.unseen.scored]
        return base.model_copy(
            update={
                "params": digest([*own, list(self.unseen.measured)]),
                "code": fitting_code(self.case.entrant.predictor, "calibrated", __name__),
            }
        )

    def kept(self, folder: Path) -> UnseenRecord | None:
        """The record in a folder, if it is of the present parameters and data."""
        return kept(folder / RECORD_FILE, self.digests(), UnseenRecord.read)


def run_unseen(case: UnseenCase, out: Path, log: Log) -> Path:
    """Fit without the device and record its predictions, unless a valid record is there; then summary.json.

    Returns:
        The path of the record.

    Raises:
        PerfseerError: files cannot be had, or nothing is left to train on or to score.
    """
    folder = out / case.folder
    if case.kept(folder) is None:
        write_record(folder, *_fit_without(case, log))
    path = folder / RECORD_FILE
    write_json(folder / SUMMARY_FILE, {"device": case.device, "record": file_digest(path)})
    return path


def _fit_without(case: UnseenCase, log: Log) -> tuple[UnseenRecord, pd.DataFrame]:
    """Fit on the other devices: the record, and the predictions of the device's rows."""
    device_files = case.unseen.devices[case.device]
    scored = device_files[: case.unseen.scored]
    data = source.dataset(case.settings, tuple(dict.fromkeys((*case.case.entrant.files, *scored))))
    drawn = draw_folds(case.settings, _GROUPING, case.seed)
    is_device = data.rows["source"].isin(device_files).to_numpy()
    train, valid, _ = (data.subset(part[~is_device[part]]) for part in drawn.parts(data.rows, case.fold))
    require(len(train) > 0, f"no rows of other devices than {case.device} to train on")
    digests = case.digests()
    base = case.case.fit(train, valid, log)
    tables, chosen = [], []
    for name in scored:
        rows = data.subset(np.flatnonzero(data.rows["source"] == name))
        is_test = rows.rows[_GROUPING].map(drawn.fold_of).to_numpy() == case.fold
        table, names = _curve(base.model, rows, is_test, case.unseen.measured, case.settings.confidence)
        tables.append(table)
        chosen += names
    table = _without_gaps(pd.concat(tables, ignore_index=True))
    record = UnseenRecord(
        device=case.device,
        seed=case.seed,
        fold=case.fold,
        digests=digests,
        chosen=tuple(chosen),
        fit_s=base.fit_s,
        environment=environment(),
        predictions_digest=table_digest(table),
    )
    return record, table


def _curve(
    base: Predictor,
    rows: Dataset,
    is_test: npt.NDArray[np.bool_],
    measured: Sequence[int],
    confidence: float,
) -> tuple[pd.DataFrame, list[str]]:
    """Predictions of one file's rows after each number of measured models, and which models were measured.

    Args:
        base: fitted on other devices, without the architectures of the test rows.
        rows: [n] of the device.
        is_test: [n] whether a row's architecture was held out on every device.
        measured: numbers of models; those that the file has too few rows for are left out.
        confidence: of the intervals.
    """
    platform = Platform.of_rows(rows.rows.iloc[:1])[0]
    phase: Phase = "train" if rows.rows["train_time_ms"].notna().iloc[0] else "infer"
    pool = np.flatnonzero(~is_test)
    wanted = [k for k in sorted(set(measured)) if k <= len(pool)]
    cost_s = measuring_cost_s(base, rows.subset(pool), (phase,))
    most = max(wanted, default=0)
    order = pool[choose(rows.subset(pool), most, cost_s=cost_s, phase=phase, platform=platform)]
    tables = []
    for k in wanted:
        model = base if k == 0 else calibrate(base, rows.subset(order[:k]))
        left = np.setdiff1d(np.arange(len(rows)), order[:k])
        rest = rows.subset(left)
        table = prediction_table(rest, model.predict(rest), model.intervals(rest, confidence))
        tables.append(table.assign(measured=k, known=~is_test[left]))
    return pd.concat(tables, ignore_index=True), rows.rows["configuration"].iloc[order].tolist()


def _without_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Intervals only if all rows have them: a base may have none where what was calibrated has."""
    there = [name for name in INTERVAL if name in table.columns]
    return table if table[there].notna().all(axis=None) else table.drop(columns=there)
