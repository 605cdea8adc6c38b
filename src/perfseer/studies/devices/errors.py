"""What a predictor says of measured rows on devices it never saw, a row each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.building import Progress
from perfseer.data.dataset import Dataset
from perfseer.data.files import read_parquet, write_parquet
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.forecast.host_clock import host_of
from perfseer.forecast.predictor import Predictor
from perfseer.forecast.transfer import STRANGE_COLUMNS, strangeness
from perfseer.predictors.parts.platforms.host import launches
from perfseer.predictors.parts.roofline import Work, graph_column, row_features
from perfseer.predictors.parts.work_profile import nominal_rates
from perfseer.studies.devices.rows import device_of, require_rows, unseen_rows
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.targets import PHASES, Phase

ERRORS_FILE = "errors.parquet"
WRITTEN_BY = "perfseer devices measure"
# Of a row: who published it, where it was measured, what ran; its time [ms]; what the predictor says for the
# device alone, with its own interval; a roofline at the reached rates; kernels started and the median time of
# a host that nobody knows; and what is strange about it.
COLUMNS: tuple[str, ...] = (
    *("source", "device", "platform", "device_kind", "precision", "mode", "phase"),
    *("architecture", "batch_size", "measured_ms", "predicted_ms", "low_ms", "high_ms"),
    *("roofline_ms", "launches", "host_ms", *STRANGE_COLUMNS),
)

_POSITIVE = ("batch_size", "measured_ms", "predicted_ms", "roofline_ms", "launches")
_ENDS = ("low_ms", "high_ms")
_WORDS: Mapping[str, Sequence[str]] = {
    "phase": PHASES,
    "device_kind": ("cpu", "cuda"),
    "mode": ("eager", "compiled"),
}


def measure_errors(
    settings: DevicesSettings, workers: int, progress: Progress | None, log: Callable[[str], None]
) -> pd.DataFrame:
    """Predict every row of the sources that is of an unseen device.

    Returns:
        A row for each published row and phase: `COLUMNS`; ``checkpoint`` says which predictor it was.

    Raises:
        PerfseerError: there is no such predictor, a file cannot be had, or no row is of an unseen device.
    """
    predictor = Predictor.load(settings.predictor)
    found = {
        name: unseen_rows(settings, name, predictor.platforms, workers, progress) for name in settings.sources
    }
    require_rows(list(found.values()), settings)
    tables = []
    for name, data in found.items():
        if data is None:
            log(f"{name}: all rows are of devices that were trained on")
            continue
        table = _predicted(predictor, data, settings, name)
        log(f"{name}: {len(table):,d} times on {table['device'].nunique()} unseen devices")
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    return whole.assign(checkpoint=predictor.provenance.checkpoint_digest)


def _predicted(predictor: Predictor, data: Dataset, settings: DevicesSettings, source: str) -> pd.DataFrame:
    """Rows of one source, predicted for the device alone."""
    values, ends = predictor.model.predict(data), predictor.model.intervals(data, settings.confidence)
    platforms = Platform.of_rows(data.rows)
    keys = np.array([platform.key for platform in platforms])
    parts = []
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        platform = platforms[rows[0]]
        for phase in PHASES:
            label = f"{phase}_time_ms"
            timed = rows[~np.isnan(data.label(label)[rows])]
            if not len(timed) or label not in values:
                continue
            chosen = data.subset(timed)
            part = _described(chosen, phase, platform)
            part["predicted_ms"] = values[label].to_numpy()[timed]
            for side in ("low", "high"):
                part[f"{side}_ms"] = np.nan if ends is None else ends[f"{label}_{side}"].to_numpy()[timed]
            if phase == "train" and not settings.sources[source].optimiser:
                part["measured_ms"] += _optimiser_ms(chosen, platform)
            parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(source=source)[list(COLUMNS)]


def _described(rows: Dataset, phase: Phase, platform: Platform) -> pd.DataFrame:
    """What was measured, on what, and what physics says of it."""
    host = host_of(platform, phase, trained=False, least_us=None)
    started = np.array([launches(rows.graph(row), phase, platform) for row in range(len(rows))])
    work = Work.of(row_features(rows), phase)
    strange = strangeness(rows, phase, platform)
    table = pd.DataFrame(
        {
            "device": device_of(platform).key,
            "platform": platform.key,
            "device_kind": platform.device_kind,
            "precision": platform.precision,
            "mode": platform.mode,
            "phase": phase,
            "architecture": rows.rows["architecture"],
            "batch_size": rows.rows["batch_size"].astype(int),
            "measured_ms": rows.label(f"{phase}_time_ms"),
            "roofline_ms": nominal_rates(platform).milliseconds(work),
            "launches": started,
            "host_ms": 0.0 if host is None else [host.clock.ms(int(number)) for number in started],
        }
    )
    return table.assign(**{name: strange[:, number] for number, name in enumerate(STRANGE_COLUMNS)})


def _optimiser_ms(rows: Dataset, platform: Platform) -> np.ndarray:
    """[n] ms that SGD with momentum moves its tensors for, at the memory rate that programs reach."""
    features = row_features(rows)
    work = Work.of(features, "train")
    moved = work.extra_bytes - graph_column(features, "train_only_bytes")
    return np.asarray(1e3 * moved / nominal_rates(platform).bytes_per_s)


def write_errors(path: Path, errors: pd.DataFrame) -> None:
    """Write what `measure_errors` gave."""
    write_parquet(path, errors)


def read_errors(path: Path) -> pd.DataFrame:
    """Read it.

    Raises:
        PerfseerError: there is no such file, it lacks a column, or holds what was never written there.
    """
    numbers = (*_POSITIVE, *_ENDS, "host_ms", *STRANGE_COLUMNS)
    errors = read_parquet(path, (*COLUMNS, "checkpoint"), WRITTEN_BY, numbers)
    require(len(errors) > 0, f"{path} is empty: run `{WRITTEN_BY}`")
    for name, sound in _sound(errors).items():
        faults = np.flatnonzero(~sound.to_numpy(dtype=bool))
        if len(faults):
            value = errors[name].iloc[faults[0]]
            raise PerfseerError(
                f"{path} has {name} = {value} in row {faults[0]}, which was never written there: run "
                f"`{WRITTEN_BY}` again"
            )
    return errors


def _sound(errors: pd.DataFrame) -> "dict[str, pd.Series[bool]]":
    """Of every column, which of its values can be."""
    zero_to = {"host_ms": np.inf, **dict.fromkeys(STRANGE_COLUMNS, 1.0)}
    finite = {name: np.isfinite(errors[name].astype(float)) for name in (*_POSITIVE, *_ENDS, *zero_to)}
    without = errors["low_ms"].isna() & errors["high_ms"].isna()  # a predictor without intervals
    low, value, high = (errors[name] for name in ("low_ms", "predicted_ms", "high_ms"))
    known = errors.columns.difference([*finite, *_WORDS, "checkpoint"])
    return {
        **{name: errors[name].notna() for name in known},
        **{name: errors[name].isin(list(words)) for name, words in _WORDS.items()},
        **{name: finite[name] & (errors[name] > 0) for name in _POSITIVE},
        **{name: finite[name] & errors[name].between(0, most) for name, most in zero_to.items()},
        "low_ms": without | (finite["low_ms"] & (low > 0) & (low <= value)),
        "high_ms": without | (finite["high_ms"] & (high >= value)),
        "checkpoint": errors["checkpoint"].notna() & (errors["checkpoint"] == errors["checkpoint"].iloc[0]),
    }
