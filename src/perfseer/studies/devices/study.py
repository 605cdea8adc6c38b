"""What answers for unseen devices are worth, each device judged by what was learnt from the others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.evaluation.metrics import mape_pct
from perfseer.forecast.host_clock import Host, two_clocks
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.forecast.transfer import (
    FEWEST_DEVICES,
    Regime,
    regime_name,
)
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.platforms.host import host_prior
from perfseer.studies.devices.errors import read_errors
from perfseer.studies.devices.measuring import after_measuring
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.targets import PHASES, Phase
from perfseer.validation import section

# Confidences that coverage is shown at.
CONFIDENCES: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
# What is compared, by the column of its times.
ENTRANTS: Mapping[str, str] = {
    "predicted_ms": "device alone",
    "answer_ms": "answer",
    "answer_one_ms": "answer, one factor",
    "roofline_one_ms": "roofline, one factor",
}


def regimes_of(errors: pd.DataFrame) -> Mapping[str, Regime]:
    """What all rows tell of the next device; regimes with too few devices are left out.

    Args:
        errors: as `errors.read_errors` gives them.
    """
    regimes: dict[str, Regime] = {}
    for (kind, phase), rows in errors.groupby(["device_kind", "phase"]):
        telling = rows[_device_decides(rows)]
        if telling["device"].nunique() >= FEWEST_DEVICES:
            regimes[regime_name(str(kind), _phase(phase))] = _regime(telling, judged=True)
    return regimes


# Kind of device, phase and the device left out to what the others teach; None where they are too few.
Lessons = Mapping[tuple[str, str, str], Regime | None]


def lessons(errors: pd.DataFrame) -> Lessons:
    """What is learnt for each device from the others of its kind in a phase.

    Args:
        errors: as `errors.read_errors` gives them.
    """
    found: dict[tuple[str, str, str], Regime | None] = {}
    for (kind, phase), rows in errors.groupby(["device_kind", "phase"], sort=False):
        telling = rows[_device_decides(rows)]
        for device in rows["device"].unique():
            others = telling[telling["device"] != device]
            enough = others["device"].nunique() >= FEWEST_DEVICES
            found[str(kind), str(phase), str(device)] = _regime(others, judged=False) if enough else None
    return found


def answers(errors: pd.DataFrame, taught: Lessons, confidence: float) -> pd.DataFrame:
    """The same rows with what would be answered by someone who has not seen their device.

    Args:
        errors: as `errors.read_errors` gives them.
        taught: `lessons` of them.
        confidence: of the intervals.

    Returns:
        Columns ``answer_ms``, ``answer_low_ms``, ``answer_high_ms`` besides, and ``decides``: ``device`` or
        ``host``, which is the later by the predictor.
    """
    columns = ("answer_ms", "answer_low_ms", "answer_high_ms")
    told = [
        _answer(row, taught[row["device_kind"], row["phase"], row["device"]], confidence)
        for row in errors.to_dict("records")
    ]
    found = pd.DataFrame(told, columns=list(columns), index=errors.index)
    decides = np.where(_device_decides(errors), "device", "host")
    return pd.concat([errors, found], axis=1).assign(decides=decides)


def _answer(row: Mapping[Any, Any], regime: Regime | None, confidence: float) -> tuple[float, float, float]:
    """Time and ends of its interval, in ms."""
    phase = _phase(row["phase"])
    label = f"{phase}_time_ms"
    ends = (row["predicted_ms"], math.nan, math.nan)
    if regime is not None:
        strange = np.array([row[name] for name in STRANGE_COLUMNS])
        ends = regime.moved(row["predicted_ms"], strange, confidence)
    host = Host(host_prior(row["mode"], phase)) if row["host_ms"] > 0 else None
    names = (label, f"{label}_low", f"{label}_high")
    timed = two_clocks(dict(zip(names, ends, strict=True)), int(row["launches"]), phase, host, confidence)
    return timed.labels[names[0]], timed.labels[names[1]], timed.labels[names[2]]


def _regime(rows: pd.DataFrame, *, judged: bool) -> Regime:
    errors = np.log(rows["measured_ms"].to_numpy() / rows["predicted_ms"].to_numpy())
    strange = rows[list(STRANGE_COLUMNS)].to_numpy()
    return Regime.of(errors, strange, rows["device"].to_numpy(), judged=judged)


def _device_decides(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["predicted_ms"] >= rows["host_ms"]


def _phase(text: object) -> Phase:
    return next(phase for phase in PHASES if phase == text)


def with_one_factor(rows: pd.DataFrame, column: str) -> FloatArray:
    """[n] times of a column, times the factor by which the platform's other architectures are off.

    Args:
        rows: columns ``seed``, ``platform``, ``phase``, ``architecture``, ``measured_ms`` and the column.
        column: of times, ms.

    Returns:
        The median factor of the others, NaN where an architecture is alone on its platform.
    """
    factors = np.full(len(rows), np.nan)
    ratios = (rows["measured_ms"] / rows[column]).to_numpy()
    owners = rows["architecture"].to_numpy()
    places = rows.reset_index(drop=True).groupby(["seed", "platform", "phase"], sort=False).indices
    for members in places.values():
        for name in np.unique(owners[members]):
            own = members[owners[members] == name]
            others = members[owners[members] != name]
            if len(others):
                factors[own] = np.median(ratios[others])
    return np.asarray(rows[column].to_numpy() * factors)


@dataclass(frozen=True, eq=False)
class Study:
    """The inputs of the report.

    Attributes:
        settings: section ``devices``.
        errors: what `perfseer devices fit` wrote.
        variants: variant to what it wrote for it.
    """

    settings: DevicesSettings
    errors: pd.DataFrame
    variants: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def lessons(self) -> Lessons:
        """What is learnt for each device from the others."""
        return lessons(self.errors)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows with every entrant's time."""
        rows = answers(self.errors, self.lessons, self.settings.confidence)
        return rows.assign(
            answer_one_ms=with_one_factor(rows, "answer_ms"),
            roofline_one_ms=with_one_factor(rows, "roofline_ms"),
        )

    @property
    def of_models(self) -> pd.DataFrame:
        """The rows that are no single operators."""
        return self.rows[~self.rows["source"].isin(list(self.settings.operators))]

    @cached_property
    def measured(self) -> pd.DataFrame:
        """Errors after a few models were measured on a device, of rows that the device decides."""
        return after_measuring(self.errors[_device_decides(self.errors)], self.settings.known)

    @cached_property
    def of_variants(self) -> Mapping[str, pd.DataFrame]:
        """Variant to its rows with answers, each learnt from its own errors."""
        return {
            name: answers(errors, lessons(errors), self.settings.confidence)
            for name, errors in self.variants.items()
        }

    @cached_property
    def regimes(self) -> Mapping[str, Regime]:
        """What all rows tell of the next device."""
        return regimes_of(self.errors)

    @cached_property
    def coverage(self) -> Mapping[float, "pd.Series[bool]"]:
        """Confidence to whether each row lies inside, each device answered from the others."""
        return {level: inside(answers(self.errors, self.lessons, level)) for level in CONFIDENCES}


def inside(rows: pd.DataFrame, low: str = "answer_low_ms", high: str = "answer_high_ms") -> "pd.Series[bool]":
    """Whether the measured time of each row lies in its interval."""
    return rows["measured_ms"].between(rows[low], rows[high])


def error_pct(rows: pd.DataFrame, column: str) -> float:
    """Mean absolute percentage error of a column of times; NaN without rows."""
    kept = rows[rows[column].notna()]
    if not len(kept):
        return float("nan")
    return float(mape_pct(kept["measured_ms"].to_numpy(), kept[column].to_numpy()))


def median_device(rows: pd.DataFrame, column: str) -> float:
    """Median over devices of the mean absolute percentage error of a column of times."""
    return float(np.median([error_pct(part, column) for _, part in rows.groupby("device")]))


def load_study(parameters: Mapping[str, Any], folder: Path) -> Study:
    """Read what was measured.

    Args:
        parameters: raw mapping of params.yaml; section ``devices``.
        folder: written by `perfseer devices fit`.

    Raises:
        PerfseerError: the section is at fault, or there is no sound table.
    """
    settings = section(DevicesSettings, parameters, "devices")
    variants = {name: read_errors(folder, settings, name) for name in settings.variants}
    return Study(settings, read_errors(folder, settings), variants)
