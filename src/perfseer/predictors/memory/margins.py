r"""How far what a device needs may lie from the arithmetic: a distribution fitted to what ran.

ln(held / computed) is logistic with a shift and a spread. Where memory was measured both are those of the
residuals. Where only failures are known, as in results whose batch shrank until it fitted, a configuration
that ran says that the residual is below ln(room / computed), and the next larger one, that did not, that
it is above: an interval-censored sample, fitted by maximum likelihood,

.. math::
    \sum \ln\left[F\left(\frac{r - m}{s}\right) - F\left(\frac{q - m}{s}\right)\right],
    \quad r = \ln\frac{R}{c_{ran}},\; q = \ln\frac{R}{c_{failed}},\; F(x) = \frac{1}{1 + e^{-x}}

with R, the room, what the device gives out less what the process takes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import logistic

from perfseer.data.files import write_json
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.targets import Phase

MARGINS = Path(__file__).with_name("margins.json")
# Never certain: the share of configurations that fail for reasons of which the arithmetic knows nothing.
_LAPSE = 0.005
_NARROWEST = 0.01
# Of kinds of devices, precisions and modes without any label: wide, on purpose.
_UNMEASURED_SPREAD = 0.15
# By how much a margin is widened on a device other than those it was fitted on.
_ELSEWHERE = 1.5


@dataclass(frozen=True)
class Margin:
    """Logistic distribution of ln(held / computed), held by the allocator at the peak.

    Attributes:
        shift: its median.
        spread: its scale, > 0.
        basis: what it was fitted to, or why it was not.
        devices: on which; empty where it was not fitted.
        n: configurations it was fitted to.
    """

    shift: float
    spread: float
    basis: str
    devices: tuple[str, ...] = ()
    n: int = 0

    def __post_init__(self) -> None:
        require(
            bool(np.isfinite(self.shift)) and self.spread > 0,
            f"a memory margin has shift {self.shift} and spread {self.spread}: expected finite, and above 0",
        )

    @classmethod
    def fit(cls, ran: FloatArray, failed: FloatArray, basis: str, devices: tuple[str, ...] = ()) -> Self:
        """Maximum likelihood on an interval-censored sample.

        Args:
            ran: [n] ln(room / computed) of configurations that ran.
            failed: [n] the same of the next larger ones that did not; NaN where none is known.
            basis: what they are.
            devices: on which.

        Raises:
            PerfseerError: no configuration failed, so that nothing bounds the residuals from below.
        """
        require(
            bool(np.isfinite(failed).any()),
            f"{basis}: none of {len(ran)} configurations failed, so nothing says what does not fit",
        )
        found = minimize(_loss, np.array([0.0, np.log(0.1)]), args=(ran, failed), method="Nelder-Mead")
        spread = max(float(np.exp(found.x[1])), _NARROWEST)
        return cls(float(found.x[0]), spread, basis, devices, len(ran))

    @classmethod
    def of_residuals(cls, residuals: FloatArray, basis: str, devices: tuple[str, ...] = ()) -> Self:
        """Maximum likelihood on [n] ln(measured / computed).

        Raises:
            PerfseerError: there are fewer than two.
        """
        require(len(residuals) > 1, f"{basis}: {len(residuals)} measurements, expected at least 2")
        shift, spread = logistic.fit(residuals)
        return cls(float(shift), max(float(spread), _NARROWEST), basis, devices, len(residuals))

    def fits(self, computed: FloatArray, room: FloatArray) -> FloatArray:
        """[n] probability that what is held is at most ``room``; both in bytes."""
        slack = np.log(np.maximum(room, 1.0) / np.maximum(computed, 1.0))
        return np.asarray(np.clip(expit((slack - self.shift) / self.spread), _LAPSE, 1 - _LAPSE))

    @property
    def rarely(self) -> float:
        """Probability of what by all that is known does not fit."""
        return _LAPSE

    def factors(self, confidence: float) -> tuple[float, float, float]:
        """What to multiply the computed bytes by for the lower end, the median and the upper end."""
        half = self.spread * float(logit(0.5 + confidence / 2))
        low, middle, high = np.exp([self.shift - half, self.shift, self.shift + half])
        return float(low), float(middle), float(high)


def _loss(parameters: FloatArray, ran: FloatArray, failed: FloatArray) -> float:
    shift, spread = parameters[0], np.exp(parameters[1])
    below = np.where(np.isfinite(failed), expit((failed - shift) / spread), 0.0)
    mass = expit((ran - shift) / spread) - below
    return -float(np.log(_LAPSE + (1 - _LAPSE) * np.maximum(mass, 0.0)).sum())


def margin_key(setup: MemorySetup, phase: Phase) -> str:
    """What margins are fitted apart for, for example ``cuda-train-amp-fp16-eager``."""
    return f"{setup.device_kind}-{phase}-{setup.precision}-{'compiled' if setup.compiled else 'eager'}"


def margin_of(setup: MemorySetup, phase: Phase, device: str) -> Margin:
    """The shipped margin for a configuration on a device.

    Where the device was not among those it was fitted on it is widened. Where none was fitted, the median is
    the mean of those of the same kind of device and phase, or 0, and the spread is wide.
    """
    shipped = shipped_margins()
    found = shipped.get(margin_key(setup, phase))
    if found is not None:
        if device in found.devices:
            return found
        return replace(found, spread=found.spread * _ELSEWHERE)
    prefix = f"{setup.device_kind}-{phase}-"
    alike = [margin for key, margin in shipped.items() if key.startswith(prefix)]
    shift = float(np.mean([margin.shift for margin in alike])) if alike else 0.0
    spread = max([_UNMEASURED_SPREAD, *(margin.spread * _ELSEWHERE for margin in alike)])
    return Margin(shift, spread, f"nothing was measured of {margin_key(setup, phase)}, so the margin is wide")


@cache
def shipped_margins() -> dict[str, Margin]:
    """The margins that come with the package, by `margin_key`.

    Raises:
        PerfseerError: the file is missing or damaged.
    """
    try:
        contents = json.loads(MARGINS.read_text(encoding="utf-8"))
        return {
            key: Margin(**{**value, "devices": tuple(value["devices"])})
            for key, value in contents["margins"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PerfseerError(f"{MARGINS} is damaged ({error}): install perfseer again") from error


def write_margins(path: Path, margins: Mapping[str, Margin]) -> None:
    """Write what `shipped_margins` reads, rounded to four digits.

    Raises:
        PerfseerError: the place cannot be written.
    """
    rounded = {
        key: {**asdict(margin), "shift": round(margin.shift, 4), "spread": round(margin.spread, 4)}
        for key, margin in sorted(margins.items())
    }
    write_json(path, {"margins": rounded})
