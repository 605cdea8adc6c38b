"""The study of memory: fitting, judging, and one file that the report is made from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Any, Literal

import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.files import write_json, write_parquet
from perfseer.data.settings import LabelSettings
from perfseer.evaluation.environment import environment
from perfseer.evaluation.group_folds import GROUPINGS
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.trials import Log
from perfseer.predictors.conformal import IntervalCoverage, coverage
from perfseer.predictors.memory.margins import Margin
from perfseer.predictors.memory.table import row_setups
from perfseer.predictors.memory.terms import memory_terms
from perfseer.studies.memory import forecasts, measured
from perfseer.studies.memory.forecasts import Judged
from perfseer.studies.memory.measured import METHODS, TARGETS, Protocol
from perfseer.studies.memory.shrunk import shrunk_batches
from perfseer.targets import PHASES

STUDY_FILE = "memory.json"
WRITTEN_BY = "perfseer public memory"
CONFIDENCE = 0.95  # of intervals over seeds and over architectures
_TIMED_GRAPHS = 60


@dataclass(frozen=True)
class Accuracy:
    """One method on one label of measured memory.

    Attributes:
        method: ``analytic``, ``learned`` or ``both``.
        target: the label.
        mape_pct: mean over seeds with its interval.
        coverage: share of measurements inside the predictor's own intervals.
        n: configurations.
    """

    method: str
    target: str
    mape_pct: Interval
    coverage: IntervalCoverage
    n: int


@dataclass(frozen=True)
class MemoryStudy:
    """Everything the report says about memory.

    Attributes:
        accuracies: on measured memory.
        interval_confidence: of the predictors' intervals.
        judged: forecasts of what fits.
        counts: result file → rows, failures, and failures set aside.
        margins: as fitted to everything, by key.
        milliseconds: phase → median time of the arithmetic of one measured graph.
        environment: of the process that ran it.
        schema_version: of the file it is kept in.
    """

    accuracies: tuple[Accuracy, ...]
    interval_confidence: float
    judged: tuple[Judged, ...]
    counts: dict[str, dict[str, int]]
    margins: dict[str, Margin]
    milliseconds: dict[str, float]
    environment: dict[str, Any]
    schema_version: Literal[1] = 1

    @property
    def n_measured(self) -> int:
        """Configurations whose memory was measured."""
        return max((accuracy.n for accuracy in self.accuracies), default=0)

    @property
    def n_seeds(self) -> int:
        """Draws of folds they were predicted in."""
        return max((accuracy.mape_pct.n for accuracy in self.accuracies), default=0)

    @property
    def dwelt_on(self) -> list[Judged]:
        """Forecasts that table and figure of probabilities show: architectures unseen."""
        return [judged for judged in self.judged if judged.grouping == "architecture"]


def run(
    data: Dataset,
    labels: LabelSettings,
    files: Sequence[str | Path],
    out: Path,
    log: Log,
    protocol: Protocol | None = None,
) -> MemoryStudy:
    """Compare methods on measured memory, judge forecasts on result files, and write both.

    Args:
        data: rows with measured memory.
        labels: how labels are scaled.
        files: result files of GPUs, published ones by name.
        out: folder for `STUDY_FILE` and its two tables.
        log: receives a line now and then.
        protocol: of the comparison.

    Raises:
        PerfseerError: a file cannot be had, or the data has no memory labels.
    """
    protocol = protocol or Protocol()
    predictions = measured.compare(data, labels, protocol, log)
    shrunk = shrunk_batches(files)
    log(f"{len(shrunk)} rows of {shrunk['source'].nunique()} result files")
    study = MemoryStudy(
        accuracies=accuracies(predictions),
        interval_confidence=protocol.confidence,
        judged=tuple(j for grouping in GROUPINGS for j in forecasts.judge(shrunk, grouping, seed=0)),
        counts=count_failures(shrunk),
        margins={**measured.measured_margins(data), **forecasts.fit_margins(shrunk)},
        milliseconds=time_arithmetic(data),
        environment=environment(),
    )
    write_parquet(out / "memory_measured.parquet", predictions)
    write_parquet(out / "memory_shrunk.parquet", shrunk)
    write_json(out / STUDY_FILE, asdict(study))
    return study


def accuracies(predictions: pd.DataFrame) -> tuple[Accuracy, ...]:
    """What `measured.compare` found, by method and label."""
    ledger = measured.ledger(predictions, CONFIDENCE)
    found = []
    for method, target in sorted(product(METHODS, TARGETS)):
        rows = predictions[(predictions["method"] == method) & (predictions["target"] == target)]
        label, low, high = (rows[name].to_numpy() for name in ("measured_mib", "low_mib", "high_mib"))
        inside = coverage(label, low, high, rows["architecture"], confidence=CONFIDENCE)
        mean = ledger.mean(measured.contender(method), target, "mape_pct")
        assert mean is not None
        found.append(Accuracy(method, target, mean, inside, rows["configuration"].nunique()))
    return tuple(found)


def count_failures(shrunk: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Result file → its rows, the failures among them, and those set aside."""
    return {
        str(source): {
            "rows": len(rows),
            "failures": int(rows["failed_bytes"].count()),
            "ambiguous": int(rows["ambiguous"].sum()),
        }
        for source, rows in shrunk.groupby("source")
    }


def time_arithmetic(data: Dataset) -> dict[str, float]:
    """Phase → median milliseconds of the arithmetic of one configuration of ``data``."""
    few = data.subset(range(min(len(data), _TIMED_GRAPHS)))
    cases = [
        (few.graphs.graph(number), setup)
        for number, setup in zip(few.graph_rows.tolist(), row_setups(few), strict=True)
    ]
    return {
        phase: 1e3
        * median(timeit(partial(memory_terms, graph, phase, setup), number=1) for graph, setup in cases)
        for phase in PHASES
    }
