"""Pages are legible by day and by night: contrasts of WCAG 2.1, level AA."""

import re

import pytest

from perfseer.reporting.explorer import STYLESHEET as EXPLORER
from perfseer.reporting.html import STYLESHEET

_TEXT, _MARK = 4.5, 3.0


def colours(block: str) -> dict[str, str]:
    """Name of each variable of a block → its six digits."""
    found = dict(re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", block))
    return {
        name: digits if len(digits) == 6 else "".join(2 * d for d in digits) for name, digits in found.items()
    }


def luminance(digits: str) -> float:
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> dict[str, dict[str, str]]:
    day, night = re.findall(r":root \{([^}]*)\}", STYLESHEET.read_text(encoding="utf-8"))
    return {"day": colours(day), "night": colours(night)}


@pytest.mark.parametrize("scheme", ["day", "night"])
def test_text_stands_out_from_everything_it_lies_on(scheme):
    shown = schemes()[scheme]
    for text in ("ink", "quiet", "faint", "link"):
        for ground in ("paper", "panel", "hover", "code"):
            assert contrast(shown[text], shown[ground]) >= _TEXT, (text, ground)
    assert contrast(shown["on-link"], shown["link"]) >= _TEXT
    assert contrast(shown["mark"], shown["panel"]) >= _MARK


def test_night_is_dark_and_defines_what_day_does():
    day, night = schemes().values()
    assert set(day) == set(night)
    assert luminance(night["paper"]) < 0.05 < 0.5 < luminance(day["paper"])


def test_no_colour_is_left_that_night_would_not_change():
    for sheet in (STYLESHEET, EXPLORER):
        text = sheet.read_text(encoding="utf-8")
        outside = re.sub(r":root \{[^}]*\}|img \{[^}]*\}", "", text)
        assert not re.findall(r"#[0-9a-f]{3,6}\b", outside), sheet.name
        named = set(re.findall(r"var\(--([\w-]+)\)", text))
        assert named <= {*schemes()["day"], "shadow"}
