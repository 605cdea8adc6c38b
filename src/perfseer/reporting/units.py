"""Numbers for people: a scale chosen from the data, significant digits, no positive value shown as zero."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from perfseer import words
from perfseer.errors import require
from perfseer.evaluation.intervals import Interval

MISSING, NOT_APPLICABLE = "missing", "n/a"
PHASE_WORDS = {"train": "training", "infer": "inference"}

# Ascending (factor, unit) of each kind of quantity, relative to the unit it is stored in.
SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "flops": ((1.0, "FLOPs"), (1e3, "kFLOPs"), (1e6, "MFLOPs"), (1e9, "GFLOPs"), (1e12, "TFLOPs")),
    "bytes": ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")),
    "parameters": ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")),
    "ms": ((1e-3, "µs"), (1.0, "ms"), (1e3, "s")),
    "MiB": ((1 / 1024, "KiB"), (1.0, "MiB"), (1024.0, "GiB"), (1024.0**2, "TiB")),
    "s": ((1e-3, "ms"), (1.0, "s"), (3600.0, "h")),
    "%": ((1.0, "%"),),
    "1": ((1.0, ""),),
}


@dataclass(frozen=True)
class Scale:
    """Divide a stored value by ``factor`` to have it in ``unit``."""

    factor: float
    unit: str

    def show(self, value: float, digits: int = 3) -> str:
        """The value in this unit, without naming the unit."""
        return number(value / self.factor, digits)

    def named(self, value: float, digits: int = 3) -> str:
        """The value with its unit."""
        return f"{self.show(value, digits)} {self.unit}".rstrip()


def choose_scale(values: Iterable[float], kind: str) -> Scale:
    """The largest scale in which the median of the positive values is at least 1.

    Args:
        values: in the unit the kind is stored in (flops: FLOPs, bytes: B, ms, MiB, s, %, 1).
        kind: a key of `SCALES`.

    Raises:
        PerfseerError: unknown kind.
    """
    require(kind in SCALES, f"unknown kind of quantity {kind!r}; known: {sorted(SCALES)}")
    positive = sorted(value for value in values if value > 0 and math.isfinite(value))
    middle = positive[len(positive) // 2] if positive else 1.0
    fitting = [pair for pair in SCALES[kind] if middle >= pair[0]]
    return Scale(*(fitting[-1] if fitting else SCALES[kind][0]))


def named(value: float, kind: str) -> str:
    """A value with its unit, in the scale that suits it; ``kind`` as in `choose_scale`."""
    return choose_scale([value], kind).named(value)


def number(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits, whole numbers in full with thousands separators.

    Zero is shown as 0; a value other than zero never is. Below 10⁻⁴ scientific notation is used.

    Raises:
        PerfseerError: the value is NaN or infinite: such a number must not reach a report.
    """
    require(math.isfinite(value), f"a report cannot show {value}; metrics and labels must be finite")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return f"{value:.{digits - 1}e}"
    if size >= 10.0 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = digits - 1 - math.floor(math.log10(size))
    rounded = round(value, decimals)
    # 9.996 rounds to 10.00: one digit before the point more, one behind it fewer.
    if abs(rounded) >= 10.0 ** (math.floor(math.log10(size)) + 1):
        decimals -= 1
    return f"{value:,.{max(decimals, 0)}f}"


def count(value: int) -> str:
    """A whole number with thousands separators."""
    return f"{value:,d}"


def percent(value: float) -> str:
    """A percentage with three significant digits and its sign."""
    return f"{number(value)} %"


def share(value: float) -> str:
    """A share of a whole as `percent` shows it; all of it only where it is."""
    text = percent(100 * value)
    return words.share(value) if text == percent(100) and value != 1 else text


def in_percent(value: float) -> str:
    """A share as a percentage in as many digits as it has, ``90 %``."""
    return words.share(value, 6)


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign (a true minus, or plus)."""
    text = number(abs(value), digits)
    return text if value == 0 else f"{'+' if value > 0 else '−'}{text}"


def share_text(part: int, whole: int) -> str:
    """``12 of 80 (15.0 %)``."""
    return f"{count(part)} of {count(whole)} ({share(part / whole)})" if whole else "0 of 0"


def plural(n: int, word: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{count(n)} {word}{'' if n == 1 else 's'}"


def signed_interval(value: Interval) -> str:
    """A difference with its interval: ``+3.00 ± 0.12``; with a single seed ``+3.00 (1 seed)``."""
    text = interval(replace(value, mean=abs(value.mean)))
    return text if value.mean == 0 else f"{'+' if value.mean > 0 else '−'}{text}"


def interval(value: Interval | None, unit: str = "") -> str:
    """``12.3 ± 1.4 %``; with a single seed ``12.3 % (1 seed)``. Both numbers have the same decimals.

    Args:
        value: mean and half width; None is said to be missing.
        unit: appended after a space where not empty.
    """
    if value is None:
        return MISSING
    suffix = f" {unit}" if unit else ""
    if value.half_width is None:
        return f"{number(value.mean)}{suffix} (1 seed)"
    decimals = _decimals(value.mean)
    # A width that would vanish gets its first digit, unless it is rounding noise of equal values.
    if 1e-9 * abs(value.mean) < value.half_width < 0.5 * 10.0**-decimals:
        decimals = _decimals(value.half_width, digits=1)
    mean = f"{value.mean:,.{decimals}f}".replace("-", "−")
    return f"{mean} ± {value.half_width:,.{decimals}f}{suffix}"


def over_seeds(value: Interval | None, expected: int) -> str:
    """`interval` that says when some of the ``expected`` seeds are missing; empty text without a value."""
    if value is None:
        return ""
    return interval(value) + (f" ({value.n} of {expected} seeds)" if 1 < value.n < expected else "")


def _decimals(value: float, digits: int = 3) -> int:
    if value == 0:
        return 2
    return min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 12)
