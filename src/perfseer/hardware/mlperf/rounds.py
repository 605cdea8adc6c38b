"""Rounds of MLPerf Inference: v0.7, v1.0, …; what a row or a file says about its own."""

import re
from collections.abc import Iterable

_ROUND = re.compile(r"v?(\d{1,2})\.(\d{1,2})(?!\d)", re.IGNORECASE)
_IN_A_NAME = re.compile(r"(?<![\d.])v?(\d{1,2})\.(\d{1,2})(?![\d.]*\d)", re.IGNORECASE)


def round_of(text: str) -> str | None:
    """The round that ``v5.1``, ``5.1`` or ``v5.1-0042`` begins with, as ``v5.1``; None: there is none."""
    found = _ROUND.match(text)
    return f"v{int(found[1])}.{int(found[2])}" if found else None


def round_in(file_name: str) -> str:
    """The round a file's name holds, for example ``inference_v6.0_summary_results.json``; "": none."""
    found = _IN_A_NAME.search(file_name)
    return f"v{int(found[1])}.{int(found[2])}" if found else ""


def order(name: str) -> tuple[int, int]:
    """What rounds are sorted by: v0.7 before v1.0 before v10.0."""
    major, minor = name.removeprefix("v").split(".")
    return int(major), int(minor)


def places(names: Iterable[str]) -> list[int]:
    """Place of each round among those there are, the earliest 0."""
    listed = list(names)
    there = {name: place for place, name in enumerate(sorted(set(listed), key=order))}
    return [there[name] for name in listed]
