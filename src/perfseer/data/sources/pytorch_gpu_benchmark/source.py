"""Its files as a measurement table: the median over repeats, a row for each model, precision and run."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.captures import Captures
from perfseer.data.capturing import kept_graphs
from perfseer.data.download import RemoteFile
from perfseer.data.packed import PackedGraphs
from perfseer.data.published import published_table
from perfseer.data.source import Source
from perfseer.errors import PerfseerError, require
from perfseer.measure.stopping import median_interval
from perfseer.targets import TIMES, Phase

# Of tables measured here it is a small number, of other sources another: no two pass for each other.
PROTOCOL_VERSION = 1003
BATCH_SIZE, INPUT_SHAPE = 12, "3x224x224"
CONFIDENCE = 0.95
_FOLDER = "pytorch_gpu_benchmark"
_RESULTS = (
    "https://raw.githubusercontent.com/ryujaehun/pytorch-gpu-benchmark/"
    "3f47a9e2a43ca751ffade0add700b54b00e44bf0/results"
)
_NAME = re.compile(
    r"(?P<device>.+?)(_(?P<gpus>\d+)_gpus_)?_(?P<precision>single|float|half)_model_"
    r"(?P<phase>inference|training|train)_benchmark(\((?P<run>\d+)\))?\.csv"
)
_FORM = (
    "<device>[_<n>_gpus_]_<single, float or half>_model_<inference, training or train>_benchmark[(<run>)].csv"
)
_PROTOCOL = {
    "benchmark": "pytorch-gpu-benchmark",
    "statistic": "median over repeats",
    "warmup_iterations": "5 by default, not recorded",
    "infer_step": "copy of the batch to the device, forward pass",
    "train_step": "gradients cleared, copy of the batch to the device, forward pass, loss, backward pass",
    "optimiser": "none",
    "cudnn_benchmark": True,
}
# What system_info.txt says of a folder; of the others nothing is stated.
_STATED: Mapping[str, Mapping[str, Any]] = {
    "2080ti-2/1_gpus": {"cuda": "10.0", "cudnn": "7.6.0", "cpu_count": 24, "date": "2020-01-17"}
}
_MNASNET = re.compile(r"mnasnet(?!1_0$)\w+")
_OTHER_NETWORK = "torchvision has had two networks of this name, and which one was timed is not known"


def _published() -> tuple[RemoteFile, ...]:
    with Path(__file__).with_name("files.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(
            RemoteFile(
                _FOLDER,
                row["name"],
                f"{_RESULTS}/{row['url_path']}",
                row["sha256"],
                int(row["n_bytes"]),
                "MIT",
            )
            for row in csv.DictReader(stream)
        )


@dataclass(frozen=True)
class Run:
    """One host, one run, one precision: its two files are the phases of the same rows.

    Attributes:
        device: as torch names it.
        host: the publisher's folder, and ``/1_gpus`` where its name counts GPUs; each is taken for a host.
        run: what tells several of a folder apart; empty where there is one.
        precision: ``fp32`` or ``fp16``.
    """

    device: str
    host: str
    run: str
    precision: str


class PytorchGpuBenchmark(Source):
    """Times of single GPUs; graphs in each row's precision, halves as halves."""

    name = "pytorch_gpu_benchmark"
    title = "step times of torchvision's classifiers at batch 12 on three GPUs (ryujaehun)"
    files = _published()
    labels = tuple(target.name for target in TIMES)

    def read(self) -> pd.DataFrame:
        """Rows by run, in the order of the files, then by model, in the order of the columns."""
        runs: dict[Run, dict[Phase, pd.DataFrame]] = {}
        for path in self.paths():
            run, phase = parse_path(path)
            found = runs.setdefault(run, {})
            require(phase not in found, f"{path}: the {phase} times of {run} are given twice")
            found[phase] = _repeats(path)
        return pd.concat([_table(run, found) for run, found in runs.items()], ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Captured once and kept; the index has a column ``precision``.

        Raises:
            PerfseerError: as `read`; or torchvision is not installed, or the cache cannot be written.
        """
        return kept_graphs(self.table, Captures.open(), self.workers, self.progress)


def parse_path(path: Path) -> tuple[Run, Phase]:
    """What a file's place says of it.

    Raises:
        PerfseerError: its name has another form, or it is of several GPUs.
    """
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise PerfseerError(f"{path} is no result of pytorch-gpu-benchmark: expected a name {_FORM}")
    require(
        found["gpus"] in (None, "1"),
        f"{path} times DataParallel over {found['gpus']} GPUs: no row can say that; take files of one GPU",
    )
    host = path.parent.name + ("/1_gpus" if found["gpus"] else "")
    precision = "fp16" if found["precision"] == "half" else "fp32"
    phase: Phase = "infer" if found["phase"] == "inference" else "train"
    return Run(found["device"].replace("_", " "), host, found["run"] or "", precision), phase


def _repeats(path: Path) -> pd.DataFrame:
    """[repeats, models] step times, ms; NaN where a cell holds no finite positive number."""
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", index_col=False)
    except (OSError, ValueError) as error:  # pandas' own parser errors are ValueErrors
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise PerfseerError(f"{path} cannot be read as a CSV file with a header: {first}") from error
    odd = [str(name) for name in raw.columns if not re.fullmatch(r"[a-z]\w*", str(name))]
    require(not odd and len(raw) > 0, f"{path} has {len(raw)} rows and columns that name no model: {odd[:3]}")
    times = raw.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    return times.where(np.isfinite(times) & (times > 0))


def _table(run: Run, times: Mapping[Phase, pd.DataFrame]) -> pd.DataFrame:
    models = list(dict.fromkeys(str(name) for found in times.values() for name in found.columns))
    rows = pd.DataFrame([_row(model, times) for model in models]).assign(precision=run.precision)
    facts = {"host": run.host, "run": run.run, **_STATED.get(run.host, {})}
    return published_table(
        rows,
        device=run.device,
        device_kind="cuda",
        protocol=_PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"torch": "unknown", **facts},
    )


def _row(model: str, times: Mapping[Phase, pd.DataFrame]) -> dict[str, Any]:
    """A model's label in each phase; a repeat without a time takes it away: nobody knows what happened."""
    row: dict[str, Any] = {
        "model_ref": f"torchvision:{model}",
        "architecture": model,
        "family": next(iter(re.findall(r"^[a-z]+", model)), model),
        "input_shape": INPUT_SHAPE,
        "batch_size": BATCH_SIZE,
    }
    faults = [_OTHER_NETWORK] if _MNASNET.fullmatch(model) else []
    for phase, found in times.items():
        samples = found[model].tolist() if model in found.columns else []
        lacking = sum(map(np.isnan, samples)) if samples else 1
        if lacking:
            faults.append(f"the file gives no {phase} time in {lacking} of {max(len(samples), 1)} repeats")
        elif not _MNASNET.fullmatch(model):
            row |= _statistics(phase, samples)
    return row | {"status": "error" if faults else "ok", "reason": "; ".join(faults)}


def _statistics(phase: Phase, samples: list[float]) -> dict[str, Any]:
    found = median_interval(samples, CONFIDENCE)
    return {
        f"{phase}_time_ms": found.median,
        f"{phase}_time_ci_low_ms": found.low,
        f"{phase}_time_ci_high_ms": found.high,
        f"{phase}_time_mean_ms": float(np.mean(samples)),
        f"{phase}_iterations": len(samples),
    }
