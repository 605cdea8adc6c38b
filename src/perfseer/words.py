"""Numbers in words for people: never more certain than they are, and with the unit that suits them."""

import math

from perfseer.errors import require

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def chance(probability: float) -> str:
    """A probability in whole per cent, certain only where it is: ``>99 %`` of 0.997, ``<1 %`` of 0.003.

    Raises:
        PerfseerError: it is none.
    """
    require(0 <= probability <= 1, f"a probability of {probability}, expected 0 to 1")
    whole = round(100 * probability)
    if whole == 0 and probability > 0:
        return "<1 %"
    return ">99 %" if whole == 100 and probability < 1 else f"{whole} %"


def share(value: float, digits: int = 3) -> str:
    """A share of a whole in per cent; all of it only where it is: ``>99.9 %`` of 0.9999."""
    text = f"{100 * value:.{digits}g}"
    if float(text) == 100 and value < 1:
        return f">99.{'9' * (digits - 2)} %"
    return f"{text} %"


def size(value: float, unit: str, digits: int = 3) -> str:
    """A count or an amount, such as ``14.2 MB`` or ``3.1 GFLOPs``; whole numbers below 1000 in full.

    Args:
        value: in ``unit``, at least 0.
        unit: that takes a prefix; empty for counts.
        digits: significant ones.
    """
    step = 0 if value < 1000 else min(int(math.log10(value) // 3), len(_PREFIXES) - 1)
    number = float(f"{value / 1000**step:.{digits}g}")
    if number >= 1000 and step + 1 < len(_PREFIXES):  # 999.96 thousand is a million
        number, step = number / 1000, step + 1
    return f"{number:.{max(digits, 3)}g} {_PREFIXES[step]}{unit}".rstrip()
