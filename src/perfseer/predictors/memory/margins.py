r"""How far what a device needs may lie from the arithmetic: a distribution fitted to what ran.

ln(needed / computed) is logistic with a shift and a spread. Where memory was measured both are those of the
residuals. Where only failures are known, as in results whose batch shrank until it fitted, a configuration
that ran says that the residual is below ln(capacity / computed), and the next larger one, that did not, that
it is above: an interval-censored sample, fitted by maximum likelihood,

.. math::
    \sum \ln\left[F\left(\frac{r - m}{s}\right) - F\left(\frac{q - m}{s}\right)\right],
    \quad r = \ln\frac{C}{c_{ran}},\; q = \ln\frac{C}{c_{failed}},\; F(x) = \frac{1}{1 + e^{-x}}
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.targets import Phase

MARGINS = Path(__file__).with_name("margins.json")
# Never certain: the share of configurations that fail for reasons of which the arithmetic knows nothing.
_LAPSE = 0.005
_NARROWEST = 0.01


@dataclass(frozen=True)
class Margin:
    """Logistic distribution of ln(needed / computed).

    Attributes:
        shift: its median.
        spread: its scale, > 0.
        measured: whether it was fitted to configurations of this kind of device and precision.
        basis: what it was fitted to, or why it was not.
        n: configurations it was fitted to.
    """

    shift: float
    spread: float
    measured: bool
    basis: str
    n: int = 0

    def __post_init__(self) -> None:
        require(
            np.isfinite(self.shift) and self.spread > 0,
            f"a memory margin has shift {self.shift} and spread {self.spread}: expected finite, and above 0",
        )

    @classmethod
    def fit(cls, ran: FloatArray, failed: FloatArray, basis: str) -> Self:
        """Maximum likelihood on an interval-censored sample.

        Args:
            ran: [n] ln(capacity / computed) of configurations that ran.
            failed: [n] the same of the next larger ones that did not; NaN where none is known.
            basis: what they are.

        Raises:
            PerfseerError: no configuration failed, so that nothing bounds the residuals from below.
        """
        require(
            bool(np.isfinite(failed).any()),
            f"{basis}: none of {len(ran)} configurations failed, so nothing says what does not fit",
        )
        found = minimize(_loss, np.array([0.0, np.log(0.1)]), args=(ran, failed), method="Nelder-Mead")
        spread = max(float(np.exp(found.x[1])), _NARROWEST)
        return cls(float(found.x[0]), spread, measured=True, basis=basis, n=len(ran))

    def fits(self, computed: FloatArray, capacity: float) -> FloatArray:
        """[n] probability that what is needed is at most ``capacity``; both in bytes."""
        room = np.log(capacity / np.maximum(computed, 1.0))
        return np.asarray(np.clip(expit((room - self.shift) / self.spread), _LAPSE, 1 - _LAPSE))

    def factors(self, confidence: float) -> tuple[float, float, float]:
        """What to multiply the computed bytes by for the lower end, the median and the upper end."""
        half = self.spread * float(logit(0.5 + confidence / 2))
        low, middle, high = np.exp([self.shift - half, self.shift, self.shift + half])
        return float(low), float(middle), float(high)

    def to_json(self) -> dict[str, Any]:
        """JSON value that `Margin(**value)` reads."""
        return asdict(self)


def _loss(parameters: FloatArray, ran: FloatArray, failed: FloatArray) -> float:
    shift, spread = parameters[0], np.exp(parameters[1])
    below = np.where(np.isfinite(failed), expit((failed - shift) / spread), 0.0)
    mass = expit((ran - shift) / spread) - below
    return -float(np.log(_LAPSE + (1 - _LAPSE) * np.maximum(mass, 0.0)).sum())


# Of kinds of devices and precisions without any label: wide, on purpose.
_UNMEASURED_SPREAD = 0.15


def margin_of(setup: MemorySetup, phase: Phase) -> Margin:
    """The shipped margin for a device kind, precision and phase.

    Where none was fitted, the median is that of the same device kind and phase, or none, and the spread is
    wide; `Margin.measured` is then false.
    """
    shipped = _shipped()
    found = shipped.get(f"{setup.device_kind}-{phase}-{setup.precision}")
    if found is not None:
        return found
    alike = [margin for key, margin in shipped.items() if key.startswith(f"{setup.device_kind}-{phase}-")]
    shift = float(np.mean([margin.shift for margin in alike])) if alike else 0.0
    basis = f"no memory of {setup.precision} in {phase} on {setup.device_kind} was ever measured"
    return Margin(shift, _UNMEASURED_SPREAD, measured=False, basis=basis)


@cache
def _shipped() -> dict[str, Margin]:
    try:
        contents = json.loads(MARGINS.read_text(encoding="utf-8"))
        return {key: Margin(**value) for key, value in contents["margins"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PerfseerError(f"{MARGINS} is damaged ({error}): install perfseer again") from error
