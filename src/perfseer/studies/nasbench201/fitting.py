"""Fitting predictors on NAS-Bench-201: one record for each reading, predictor, device and seed.

A whole study takes hours, so a finished record is kept on a later run as long as parameters and data are
those it was made from. Code that has changed since is not a reason to repeat it: the report says so instead.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perfseer.data.files import atomic
from perfseer.data.folds import Fold
from perfseer.data.settings import LabelSettings
from perfseer.data.sources.nasbench201.cells import DEVICES, Reading, data_digest
from perfseer.data.sources.nasbench201.dataset import dataset, fold
from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.costs import Stopwatch, peak_memory_mib
from perfseer.evaluation.environment import environment
from perfseer.evaluation.records import (
    HISTORY_FILE,
    RECORD_FILE,
    Cost,
    Digests,
    Record,
    as_floats,
    build_record,
    differing,
    read_record,
    write_record,
)
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.summaries import summarise, write_summary
from perfseer.evaluation.trials import fitting_code
from perfseer.predictors.registry import create
from perfseer.studies.nasbench201.settings import NasBench201Settings

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Case:
    """One predictor on one device under one reading.

    Attributes:
        settings: section ``nasbench201`` of params.yaml.
        labels: section ``labels``.
        confidence: of the intervals over seeds, for the record.
        reading: which operations of a cell a graph shows.
        predictor: its name.
        device: a key of `DEVICES`.
    """

    settings: NasBench201Settings
    labels: LabelSettings
    confidence: float
    reading: Reading
    predictor: str
    device: str

    def __post_init__(self) -> None:
        require(self.device in DEVICES, f"no device {self.device!r}; there are {', '.join(DEVICES)}")
        self.settings.settings_of(self.predictor)

    @property
    def folder(self) -> Path:
        """Where its seeds lie, below the study's folder."""
        return Path(self.reading, self.predictor, self.device)

    def digests(self) -> Digests:
        """What a record of this case must carry to be valid now; seeds do not count."""
        shared = ("train_cells", "valid_cells", "within_pct", "training")
        depends = {
            **self.settings.model_dump(mode="json", include=set(shared)),
            "labels": self.labels.model_dump(mode="json"),
            "predictor": self.settings.settings_of(self.predictor).model_dump(mode="json"),
            "reading": self.reading,
            "view": self.settings.view_of(self.predictor),
        }
        return Digests(
            params=digest(as_floats(depends)),
            code=fitting_code(self.predictor, __name__),
            data=data_digest(DEVICES[self.device]),
        )


def run(case: Case, seeds: tuple[int, ...], out: Path, log: Callable[[str], None]) -> list[Path]:
    """Fit and record every seed that has no valid record yet; then list the records in summary.json.

    Args:
        case: what to fit.
        seeds: each draws a new split and new initial weights.
        out: folder of the study.
        log: receives a line now and then.

    Returns:
        Paths of the records.

    Raises:
        PerfseerError: the published files cannot be had, or learning diverged.
    """
    folders = {seed: out / case.folder / str(seed) for seed in seeds}
    missing = {seed: folder for seed, folder in folders.items() if not _is_done(folder, case)}
    if missing:
        device = DEVICES[case.device]
        data = dataset(device, case.reading, case.settings.view_of(case.predictor))
        for seed, folder in missing.items():
            drawn = fold(data, seed, case.settings.train_cells, case.settings.valid_cells, case.labels)
            split = f"{case.reading}-{case.device}"
            _fit_and_record(case, replace(drawn, split=split), folder, log)
    records = [folder / RECORD_FILE for folder in folders.values()]
    write_summary(out / case.folder / SUMMARY_FILE, summarise(records))
    return records


def read_valid(path: Path, case: Case) -> Record | None:
    """The record at ``path`` if it is of the present parameters and data; None if it is not or is absent."""
    if not path.is_file():
        return None
    try:
        record = read_record(path)
    except PerfseerError:
        return None  # of an older schema, or cut off: as good as absent
    present = case.digests().model_copy(update={"code": record.digests.code})
    return None if differing(record.digests, present) else record


def _is_done(folder: Path, case: Case) -> bool:
    return read_valid(folder / RECORD_FILE, case) is not None


def _fit_and_record(case: Case, drawn: Fold, out: Path, log: Callable[[str], None]) -> None:
    """Fit, predict and record one seed; the record is written last, so a record means all is there."""
    settings = case.settings.settings_of(case.predictor)
    digests = case.digests()
    model = create(case.predictor, settings, case.settings.training)

    def say(line: str) -> None:
        log(f"{case.folder} seed {drawn.seed}: {line}")

    with Stopwatch() as fitting:
        model.fit(drawn.train, drawn.valid, drawn.normaliser, seed=drawn.seed, log=say)
    with Stopwatch() as predicting:
        predictions = model.predict(drawn.test)
    record, table = build_record(
        model,
        drawn,
        predictions,
        settings=settings.model_dump(mode="json"),
        digests=digests,
        cost=Cost(
            fit_s=fitting.seconds,
            predict_ms_per_row=1e3 * predicting.seconds / len(drawn.test),
            peak_mem_mib=peak_memory_mib(),
        ),
        environment=environment(),
        evaluation=EvaluationSettings(confidence=case.confidence, within_pct=case.settings.within_pct),
        valid_predictions=model.predict(drawn.valid),
    )
    _write_history(out / HISTORY_FILE, model.history_)
    write_record(out, record, table)
    say(f"{fitting.seconds:.0f} s, MAPE {record.metrics['infer_time_ms']['mape_pct'].value:.3g} %")


def _write_history(path: Path, history: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
    with atomic(path) as temporary:
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in history]
        temporary.write_text("".join(lines), encoding="utf-8")
