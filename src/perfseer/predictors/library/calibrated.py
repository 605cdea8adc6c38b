"""A predictor moved to another device by a few measurements there (`perfseer calibrate`).

Its base, fitted elsewhere, predicts; `correction.Correction` says by which factor the device differs, for
each label, from errors on the measured rows. Intervals are recalibrated on those errors, each architecture
left out of what its own was computed with: with five architectures they are wide, and they ought to be.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import Normaliser
from perfseer.data.platforms import ROW_COLUMNS, Platform
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.conformal import Conformal
from perfseer.predictors.coverage import TrainingRange
from perfseer.predictors.parts.correction import Correction, honest_residuals
from perfseer.predictors.parts.roofline import TimeRoofline
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS, nominal_rates, work_profile
from perfseer.predictors.registry import load
from perfseer.predictors.settings import PredictorSettings
from perfseer.settings import load_settings
from perfseer.targets import TARGET_BY_NAME

_BASE_FOLDER = "base"
# The base's interval at this confidence is its own scale of its error.
_SCALE_CONFIDENCE = 0.9
_LEAST_DIFFICULTY = 1e-3


class CalibratedSettings(PredictorSettings):
    """Which predictor is moved."""

    needs: ClassVar[tuple[str, ...]] = ("members",)

    base: Annotated[str, Field(description="name of the predictor fitted elsewhere")] = "boosting"

    @property
    def members(self) -> tuple[str, ...]:
        """The base, fitted."""
        return (self.base,)


@dataclass(frozen=True, eq=False)
class Shift:
    """How one label differs on the device.

    Attributes:
        correction: factor on the base's predictions.
        conformal: intervals around the product.
        rows: measured.
        architectures: among them.
        before_mape_pct: error of the base on the measured rows.
        after_mape_pct: error on each architecture after calibration on the others; None with one alone.
    """

    correction: Correction
    conformal: Conformal
    rows: int
    architectures: int
    before_mape_pct: float
    after_mape_pct: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` reads."""
        parts = {"correction": self.correction.to_json(), "conformal": self.conformal.to_json()}
        return vars(self) | parts

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Shift":
        """Read what `to_json` gave."""
        correction = Correction.from_json(value["correction"])
        conformal = Conformal.from_json(value["conformal"])
        return cls(**{**value, "correction": correction, "conformal": conformal})


class CalibratedPredictor(Predictor):
    """A fitted base times a factor learned from a few measurements on the device."""

    name: ClassVar[str] = "calibrated"
    source: ClassVar[str] = "this project; transfer from few measurements as in HELP, arXiv 2106.08630"
    departures: ClassVar[tuple[str, ...]] = (
        "Nothing is meta-learned: a factor, and exponents on a few physical shares where they help.",
    )
    takes_partial_labels: ClassVar[bool] = True
    Settings = CalibratedSettings
    settings: CalibratedSettings

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platform it was calibrated on; none where the measured rows did not say."""
        return () if self.platform_ is None else (self.platform_,)

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        del valid, seed  # too few rows to set any aside; nothing is random
        self.base_ = self.inputs_.members[self.settings.base]
        require(self.base_.normaliser_ is not None, f"calibrated was given a {self.base_.name} not fitted")
        self.platform_ = _one_platform(train)
        self.rates_ = nominal_rates(self.platform_)
        self.targets = tuple(name for name in self.targets if name in self.base_.targets)
        require(bool(self.targets), f"{self.base_.name} predicts none of {', '.join(train.targets)}")
        labels = self._normaliser.labels.select(self.targets)
        self.normaliser_ = Normaliser(labels, self.base_._normaliser.features)
        self.range_ = _together(self.base_.range_, self.range_)
        self.shifts_ = {name: self._shift(name, train) for name in self.targets}
        corrections = [shift.correction for shift in self.shifts_.values()]
        self.n_parameters_ = self.base_.n_parameters_ + sum(one.n_parameters for one in corrections)
        for name, shift in self.shifts_.items():
            log(f"{name}: factor {np.exp(shift.correction.offset):.3g} from {shift.architectures} models")

    def _shift(self, target: str, train: Dataset) -> Shift:
        rows = train.with_label(target)
        errors = np.log(rows.label(target)) - np.log(self.base_.predict(rows)[target].to_numpy())
        profile = self._profile(rows, target)
        left = honest_residuals(errors, profile, rows.owners, PROFILE_COLUMNS)
        architectures = len(np.unique(rows.owners))
        return Shift(
            Correction.fit(errors, profile, rows.owners, PROFILE_COLUMNS),
            Conformal.fit(left, self._difficulties(rows)[target], [target] * len(rows), rows.owners),
            rows=len(rows),
            architectures=architectures,
            before_mape_pct=_mape_pct(errors),
            after_mape_pct=_mape_pct(left) if architectures > 1 else None,
        )

    def _profile(self, dataset: Dataset, target: str) -> FloatArray:
        return work_profile(dataset, TARGET_BY_NAME[target].phase, self.rates_)

    def _difficulties(self, dataset: Dataset) -> dict[str, FloatArray]:
        """Label to [n] half the base's own interval on the logarithmic scale; 1 where it has none."""
        found = self.base_.intervals(dataset, _SCALE_CONFIDENCE)
        if found is None:
            return {name: np.ones(len(dataset)) for name in self.targets}
        ratios = {name: (found[f"{name}_high"] / found[f"{name}_low"]).to_numpy() for name in self.targets}
        return {name: np.maximum(np.log(ratio) / 2, _LEAST_DIFFICULTY) for name, ratio in ratios.items()}

    def _predict(self, dataset: Dataset) -> FloatArray:
        base = self.base_.predict(dataset)
        columns = [
            base[name].to_numpy() * np.exp(shift.correction.values(self._profile(dataset, name)))
            for name, shift in self.shifts_.items()
        ]
        return np.column_stack([_bounded(name, one) for name, one in zip(self.targets, columns, strict=True)])

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """As `Predictor.intervals`, from the errors left on the measured rows."""
        predicted, scales = self.predict(dataset), self._difficulties(dataset)
        found: dict[str, FloatArray] = {}
        for name, shift in self.shifts_.items():
            groups = [name] * len(dataset)
            values = predicted[name].to_numpy()
            low, high = shift.conformal.interval(values, scales[name], groups, confidence)
            found |= {f"{name}_low": _bounded(name, low), f"{name}_high": _bounded(name, high)}
        return pd.DataFrame(found)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        self.base_.save(folder / _BASE_FOLDER)
        return {
            "platform": None if self.platform_ is None else asdict(self.platform_),
            "rates": asdict(self.rates_),
            "shifts": [{"target": name, **shift.to_json()} for name, shift in self.shifts_.items()],
        }

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.base_ = load(folder / _BASE_FOLDER)
        self.platform_ = (
            None if state["platform"] is None else load_settings(Platform, state["platform"], "platform")
        )
        self.rates_ = load_settings(TimeRoofline, state["rates"], "rates")
        self.shifts_ = {shift.pop("target"): Shift.from_json(shift) for shift in state["shifts"]}


def _one_platform(dataset: Dataset) -> Platform | None:
    """The platform of all rows; None where they do not say.

    Raises:
        PerfseerError: there are several.
    """
    if not set(ROW_COLUMNS) <= set(dataset.rows.columns):
        return None
    found = sorted({platform.key: platform for platform in Platform.of_rows(dataset.rows)}.items())
    if len(found) != 1:
        raise PerfseerError(
            f"measurements of {', '.join(key for key, _ in found)}: calibrate for one platform at a time"
        )
    return found[0][1]


def _together(one: TrainingRange | None, other: TrainingRange | None) -> TrainingRange:
    """What either range holds: the base's rows and those measured here."""
    assert one is not None
    assert other is not None
    return TrainingRange(
        tuple(dict.fromkeys((*one.operators, *other.operators))),
        {name: min(value, other.lowest[name]) for name, value in one.lowest.items()},
        {name: max(value, other.highest[name]) for name, value in one.highest.items()},
    )


def _bounded(target: str, values: FloatArray) -> FloatArray:
    return np.minimum(values, 100.0) if TARGET_BY_NAME[target].quantity == "util" else values


def _mape_pct(errors: FloatArray) -> float:
    """Mean relative error in % of errors ln measured - ln predicted."""
    return float(100 * np.mean(np.abs(np.expm1(-errors))))
