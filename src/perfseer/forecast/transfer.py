r"""What a predictor is worth on devices it never saw, from its errors on devices that others measured.

A predictor's own intervals come from the platforms it was trained on and say nothing about others. Whoever
measured a device it never saw has shown how far off it is there (`perfseer devices`):

.. math::
    \ln measured - \ln predicted = b \cdot strangeness + e_{device} + e_{model}

The first term moves the next device's answer (`forecast.strangeness`: what is known to be other there than
on what the predictor learnt from; where nothing is, nothing is moved); it is pulled to 0 as far as devices
differ without a reason that is known (`predictors.parts.correction`). The interval reaches as far as the
share of the errors that were left when each device took no part in the correction. **Devices** are counted,
not rows, since all rows of one are off by a common factor: each has weight 1, shared among its rows. What
split conformal prediction adds for a finite sample is left out, because with a dozen devices it would reach
as far as the worst row of the worst of them; instead the coverage on devices that were left out of
everything is measured and kept. Confidences that so few devices cannot show, above n / (n + 1), have the
tail of Student's t.

Where the host decides (`host_clock`) an error is the host's, so such rows take no part.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.stats import t as student_t

from perfseer.data.files import read_json, write_json
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.forecast.card import TRANSFER_FILE
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.conformal import LEVELS, level_of
from perfseer.predictors.parts.correction import Correction, honest_residuals
from perfseer.targets import Phase
from perfseer.validation import Strict, validated

# Errors on fewer devices say nothing about the next one.
FEWEST_DEVICES = 3
# Of the ridge: a device is off by a fifth or so for no reason that is known, an exponent is of the size of 1.
# With a dozen devices there is nothing to choose a strength on.
_STRENGTHS = (0.2**2,)
# ln of the widest interval to either side: beyond a factor of a million nothing is said anyway.
_WIDEST = math.log(1e6)
# The shipped file has six thousand.
_MOST_BYTES = 1 << 20

_Log = Annotated[float, Field(ge=-_WIDEST, le=_WIDEST)]
_Reach = Annotated[float, Field(ge=0, le=_WIDEST)]
_Percent = Annotated[float, Field(ge=0)]
_A_COLUMN = Field(min_length=len(STRANGE_COLUMNS), max_length=len(STRANGE_COLUMNS))


class _KeptCorrection(Strict):
    """A `Correction` in a file, a number for each of `STRANGE_COLUMNS`."""

    offset: _Log
    exponents: Annotated[tuple[_Log, ...], _A_COLUMN]
    centre: Annotated[tuple[_Log, ...], _A_COLUMN]
    lowest: Annotated[tuple[_Log, ...], _A_COLUMN]
    highest: Annotated[tuple[_Log, ...], _A_COLUMN]
    strength: Annotated[float, Field(gt=0)] | None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(low > high for low, high in zip(self.lowest, self.highest, strict=True)):
            raise ValueError("the lowest kind of work is above the highest")
        return self


class _KeptRegime(Strict):
    """A `Regime` in a file."""

    correction: _KeptCorrection
    reach: Annotated[tuple[_Reach, ...], Field(min_length=len(LEVELS), max_length=len(LEVELS))]
    devices: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=FEWEST_DEVICES)]
    rows: Annotated[int, Field(ge=FEWEST_DEVICES)]
    mape_pct: _Percent
    worst_mape_pct: _Percent
    coverage_pct: Annotated[float, Field(ge=0, le=100)] | None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if any(later < reach for reach, later in pairwise(self.reach)):
            raise ValueError("a greater confidence reaches less far than a smaller one")
        if len(set(self.devices)) < len(self.devices) or self.rows < len(self.devices):
            raise ValueError("its devices stand twice in it, or are more than its rows")
        if self.worst_mape_pct < self.mape_pct:
            raise ValueError("the error on the worst device is below the median")
        return self


class _Kept(Strict):
    """What ``transfer.json`` holds."""

    checkpoint: Annotated[str, Field(min_length=1)]
    regimes: dict[Literal["cuda-infer", "cuda-train", "cpu-infer", "cpu-train"], _KeptRegime]


@dataclass(frozen=True, eq=False)
class Regime:
    """A kind of device in a phase, as far as devices that a predictor never saw tell of it.

    Attributes:
        correction: factor on predictions.
        reach: for each confidence of `conformal.LEVELS` how far ln of a time reaches to either side.
        devices: keys of the devices, at least `FEWEST_DEVICES`.
        rows: measured.
        mape_pct: median over the devices of the mean absolute error [%], each left out of the correction.
        worst_mape_pct: of the worst of them.
        coverage_pct: share of rows inside the interval of 90 %, mean over the devices, each left out of
            correction and interval; None with too few devices to leave one out, or where nobody asked.
    """

    correction: Correction
    reach: tuple[float, ...]
    devices: tuple[str, ...]
    rows: int
    mape_pct: float
    worst_mape_pct: float
    coverage_pct: float | None

    @classmethod
    def of(
        cls, errors: FloatArray, strange: FloatArray, devices: npt.ArrayLike, *, judged: bool = True
    ) -> "Regime":
        """Learn from the errors of a predictor on devices it never saw.

        Args:
            errors: [n] ln measured - ln predicted.
            strange: [n, F] columns `STRANGE_COLUMNS`.
            devices: [n] key of each row's device.
            judged: whether to measure the coverage, which takes a fit for each device.

        Raises:
            PerfseerError: there are fewer than `FEWEST_DEVICES` devices, or a value is not finite.
        """
        owners = np.asarray(devices, dtype=str)
        names = np.unique(owners)
        require(
            len(names) >= FEWEST_DEVICES,
            f"errors on {len(names)} devices, expected {FEWEST_DEVICES} at least to say anything of another",
        )
        correction, left, reach = _learnt(errors, strange, owners)
        percents = [100 * float(np.mean(np.abs(np.expm1(-left[owners == name])))) for name in names]
        return cls(
            correction,
            tuple(reach.tolist()),
            tuple(names.tolist()),
            len(errors),
            _shown(float(np.median(percents))),
            _shown(max(percents)),
            _coverage_pct(errors, strange, owners) if judged and len(names) > FEWEST_DEVICES else None,
        )

    def moved(self, value: float, strange: FloatArray, confidence: float) -> tuple[float, float, float]:
        """A predicted time as corrected, and the ends of its interval.

        Args:
            value: predicted, positive.
            strange: [F] of the row.
            confidence: of the interval.

        Raises:
            PerfseerError: the confidence is not one.
        """
        corrected = value * float(np.exp(self.correction.values(strange[None])[0]))
        factor = float(np.exp(self.reach[level_of(confidence)]))
        return corrected, corrected / factor, corrected * factor

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal regime."""
        return vars(self) | {"correction": self.correction.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Regime":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: lists what is wrong with it.
        """
        kept = validated(_KeptRegime, value)
        parts = {name: getattr(kept, name) for name in _KeptRegime.model_fields}
        return cls(**parts | {"correction": Correction.from_json(kept.correction.model_dump())})


def _learnt(
    errors: FloatArray, strange: FloatArray, owners: npt.NDArray[Any]
) -> tuple[Correction, FloatArray, FloatArray]:
    """The correction; [n] what is left of each error when its device took no part; and the reach by level."""
    _, members, counts = np.unique(owners, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[members]
    given = (errors, strange, owners, STRANGE_COLUMNS, weights, _STRENGTHS)
    correction = Correction.fit(*given, anchored=True)
    left = honest_residuals(*given, anchored=True)
    return correction, left, _reach(np.abs(left), owners)


def _reach(scores: FloatArray, owners: npt.NDArray[Any]) -> FloatArray:
    """[len(LEVELS)] below which so large a share of the scores lies, each device weighing 1."""
    _, members, counts = np.unique(owners, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    shares = np.cumsum((1.0 / counts[members])[order]) / len(counts)
    levels = np.asarray(LEVELS)
    reach = scores[order][np.minimum(np.searchsorted(shares, levels - 1e-9), len(scores) - 1)]
    devices = len(counts)
    spread = np.sqrt(np.mean(np.bincount(members, weights=scores**2) / counts)) * np.sqrt(1 + 1 / devices)
    tail = spread * student_t.ppf((1 + levels) / 2, devices)
    reach = np.where(levels > devices / (devices + 1), np.maximum(reach, tail), reach)
    return np.asarray(np.minimum(reach, _WIDEST))


def _coverage_pct(errors: FloatArray, strange: FloatArray, owners: npt.NDArray[Any]) -> float:
    """Share of rows inside the interval of 90 % [%], mean over devices that are left out of everything."""
    shares = []
    for name in np.unique(owners):
        out = owners == name
        correction, _, reach = _learnt(errors[~out], strange[~out], owners[~out])
        inside = np.abs(errors[out] - correction.values(strange[out])) <= reach[level_of(0.9)]
        shares.append(float(inside.mean()))
    return _shown(100 * float(np.mean(shares)))


def _shown(percent: float) -> float:
    """With the four digits that a card's figures have."""
    return float(f"{percent:.4g}")


@dataclass(frozen=True, eq=False)
class Transfer:
    """All regimes that are known of a predictor.

    Attributes:
        checkpoint: digest of the predictor that made the errors (`forecast.shelf.checkpoint_digest`).
        regimes: name (`regime_name`) to what is known.
    """

    checkpoint: str
    regimes: Mapping[str, Regime]

    def of(self, platform: Platform, phase: Phase) -> Regime | None:
        """The regime of a platform nobody measured; None where nothing is known of its kind."""
        return self.regimes.get(regime_name(platform.device_kind, phase))

    def least_factor(self, phase: Phase, confidence: float) -> float:
        """Factor that a time is unsure by at least, to either side, on a kind of device that nobody left out.

        Devices of the other kind tell: nobody has shown that those of this one are easier.

        Args:
            phase: inference or training.
            confidence: of the interval.
        """
        level = level_of(confidence)
        reach = [regime.reach[level] for name, regime in self.regimes.items() if name.endswith(f"-{phase}")]
        return float(np.exp(max(reach, default=0.0)))


def regime_name(device_kind: str, phase: Phase) -> str:
    """Such as ``cuda-infer``."""
    return f"{device_kind}-{phase}"


def write_transfer(folder: Path, transfer: Transfer) -> Path:
    """Write ``transfer.json`` beside a saved predictor, atomically; return its path.

    Raises:
        PerfseerError: it says what cannot be, so that nobody could read it again; or the folder takes no
            file.
    """
    path = folder / TRANSFER_FILE
    regimes = {name: regime.to_json() for name, regime in transfer.regimes.items()}
    content = {"checkpoint": transfer.checkpoint, "regimes": regimes}
    try:
        validated(_Kept, content)
    except PerfseerError as error:
        raise PerfseerError(
            f"what the errors tell cannot be ({_first_fault(error)}), so {path} was not written: look at the "
            "measured times, which should be milliseconds"
        ) from error
    write_json(path, content)
    return path


def read_transfer(folder: Path, checkpoint: str) -> Transfer:
    """What is known of the predictor in a folder; nothing where it has no such file.

    Args:
        folder: of the predictor.
        checkpoint: its digest.

    Raises:
        PerfseerError: the file is damaged, or tells of another predictor.
    """
    path = folder / TRANSFER_FILE
    if not path.exists():
        return Transfer(checkpoint, {})
    again = "run `perfseer devices ship` again, or delete it"
    size = path.stat().st_size
    require(size <= _MOST_BYTES, f"{path} is damaged (it has {size:,d} bytes): {again}")
    found = read_json(path, "perfseer devices ship")
    try:
        kept = validated(_Kept, found)
    except PerfseerError as error:
        raise PerfseerError(f"{path} is damaged ({_first_fault(error)}): {again}") from error
    require(
        kept.checkpoint == checkpoint,
        f"{path} tells of errors of {kept.checkpoint}, {checkpoint} lies beside it: {again}",
    )
    return Transfer(checkpoint, {name: Regime.from_json(found["regimes"][name]) for name in kept.regimes})


def _first_fault(error: PerfseerError) -> str:
    """Of the faults that `validated` lists."""
    return next(iter(str(error).splitlines()[1:]), str(error)).strip()
