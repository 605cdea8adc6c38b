"""Trials: the one way to fit a predictor, predict with it, and keep what came of it.

A trial is one predictor fitted on one draw of rows. Its record is written last, so a record means that all is
there. What a record was made from stands in its digests. Two rules say what becomes of it afterwards:

- `require_valid`: a report about this experiment refuses a record whose parameters, code or data have
  changed;
- `kept`: a study that takes hours keeps a record as long as parameters and data are those it was made from.
  Code that has changed since makes it stale (`is_stale`), which its report says.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.files import atomic
from perfseer.data.folds import Fold
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.environment import environment
from perfseer.evaluation.records import (
    HISTORY_FILE,
    SHARED_SECTIONS,
    Cost,
    Digests,
    Record,
    Tabled,
    as_floats,
    build_record,
    differing,
    write_record,
)
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.predictors.base import FitInputs, Predictor
from perfseer.predictors.registry import load, module_name
from perfseer.predictors.settings import PredictorSettings
from perfseer.provenance import code_digest

Log = Callable[[str], None]


AnyRecord = TypeVar("AnyRecord", bound=Tabled)


@dataclass(frozen=True)
class Fitted:
    """A predictor that was fitted.

    Attributes:
        model: itself.
        fit_s: wall time it took [s].
    """

    model: Predictor
    fit_s: float

    def timed(self, rows: Dataset) -> tuple[pd.DataFrame, float]:
        """Predictions of [n] rows, and the wall time they took divided by n [ms]."""
        start = time.perf_counter()
        predictions = self.model.predict(rows)
        return predictions, 1e3 * (time.perf_counter() - start) / len(rows)


def fit(model: Predictor, fold: Fold, *, log: Log, inputs: FitInputs | None = None) -> Fitted:
    """Fit on the training rows of a fold.

    Args:
        model: not fitted yet.
        fold: its rows, normaliser and seed.
        log: receives a line now and then.
        inputs: what the model is fitted from besides rows.

    Raises:
        PerfseerError: learning diverged, or an input is missing.
    """
    start = time.perf_counter()
    model.fit(fold.train, fold.valid, fold.normaliser, seed=fold.seed, log=log, inputs=inputs)
    return Fitted(model, time.perf_counter() - start)


def fit_and_record(
    model: Predictor,
    fold: Fold,
    digests: Digests,
    evaluation: EvaluationSettings,
    out: Path,
    *,
    log: Log,
    inputs: FitInputs | None = None,
    keep_model: bool = True,
) -> Record:
    """Fit, save, predict and record one seed.

    Args:
        model: not fitted yet.
        fold: its rows and seed.
        digests: what the record is made from.
        evaluation: which metrics.
        out: folder that is replaced.
        log: receives a line now and then.
        inputs: what the model is fitted from besides rows.
        keep_model: whether to save the fitted model beside the record.

    Raises:
        PerfseerError: learning diverged, a prediction is no positive number, or the folder cannot be written.
    """
    shutil.rmtree(out, ignore_errors=True)
    fitted = fit(model, fold, log=log, inputs=inputs)
    predictions, predict_ms = fitted.timed(fold.test)
    cost = Cost(fit_s=fitted.fit_s, predict_ms_per_row=predict_ms, peak_mem_mib=peak_memory_mib())
    record, table = build_record(
        model,
        fold,
        predictions,
        settings=model.settings.model_dump(mode="json"),
        digests=digests,
        cost=cost,
        environment=environment(),
        evaluation=evaluation,
        valid_predictions=model.predict(fold.valid),
    )
    if keep_model:
        model.save(out / "model")
    with atomic(out / HISTORY_FILE) as path:
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in model.history_]
        path.write_text("".join(lines), encoding="utf-8")
    write_record(out, record, table)
    return record


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process so far [MiB]; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def fit_inputs(settings: PredictorSettings, kernels: Path, members: Mapping[str, Path]) -> FitInputs:
    """What fitting needs besides rows, opened; nothing that ``settings.needs`` does not name.

    Args:
        settings: of the predictor to be fitted.
        kernels: table of measured kernels.
        members: folder of each member's record and model, by name.

    Raises:
        PerfseerError: a file is missing or damaged.
    """
    needs_kernels = "kernels" in settings.needs
    require(
        not needs_kernels or kernels.is_file(),
        f"no measured kernels at {kernels}: run `perfseer kernels` first",
    )
    loaded = {name: load(folder / "model") for name, folder in members.items()}
    return FitInputs(kernels if needs_kernels else None, loaded)


def present_digests(parameters: Mapping[str, Any], predictor: str, dataset: Path) -> Digests:
    """Digests a record of ``predictor`` must carry to be valid now.

    Args:
        parameters: the raw mapping of params.yaml with `SHARED_SECTIONS` and ``predictors`` or
            ``ensembles``; of these the predictor's own section counts, anything else (such as ``seeds``)
            does not.
        predictor: its name.
        dataset: folder with manifest.json.

    Raises:
        PerfseerError: a section or the manifest is missing.
    """
    missing = [name for name in SHARED_SECTIONS if name not in parameters]
    require(not missing, f"parameters lack the sections {missing}, which every record depends on")
    sections = {**parameters.get("predictors", {}), **parameters.get("ensembles", {})}
    require(predictor in sections, f"predictors have no {predictor}; there are {sorted(sections)}")
    manifest = dataset / "manifest.json"
    require(manifest.is_file(), f"no dataset manifest at {manifest}; run `perfseer dataset` first")
    depends = {name: parameters[name] for name in SHARED_SECTIONS} | {"predictor": sections[predictor]}
    return Digests(
        params=digest(as_floats(depends)), code=fitting_code(predictor), data=file_digest(manifest)
    )


@cache
def fitting_code(*names: str) -> str:
    """Digest of the source that fitting and recording these predictors or modules runs.

    Args:
        names: predictors, and full names of further modules (a study's own).

    Once per process: what runs is what was imported, whatever happens to the files meanwhile.
    """
    modules = (name if name.startswith("perfseer.") else module_name(name) for name in names)
    return code_digest(__name__, *modules)


def kept(path: Path, present: Digests, read: Callable[[Path], AnyRecord]) -> AnyRecord | None:
    """The record at ``path`` if it is of the present parameters and data, whatever the code; None otherwise.

    Args:
        path: of the record; may not exist.
        present: what it would be made from now.
        read: reads and validates it.
    """
    if not path.is_file():
        return None
    try:
        record = read(path)
    except PerfseerError:
        return None  # of an older schema, or cut off: as good as absent
    same_code = present.model_copy(update={"code": record.digests.code})
    return None if differing(record.digests, same_code) else record


def is_stale(record: Tabled, present: Digests) -> bool:
    """Whether a record that was `kept` is of an earlier version of the code."""
    return record.digests.code != present.code


def require_valid(faults: Iterable[str], verb: str) -> None:
    """Refuse records that do not belong to the present experiment.

    Args:
        faults: what is wrong with them, a line each; none where all are valid.
        verb: the command that makes such records.

    Raises:
        PerfseerError: there are faults; lists them and says what to run.
    """
    listed = list(faults)
    require(
        not listed,
        f"these records do not belong to the present parameters, code and dataset; run `{verb}` again "
        "(`snakemake` does):\n  " + "\n  ".join(listed),
    )
