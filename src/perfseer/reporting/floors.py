"""The noise floor in reports: below it nobody can predict, because single measurements differ by as much."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import SAME, NoiseFloor, noise_floors
from perfseer.measure.table import read_table
from perfseer.reporting.style import VERMILION
from perfseer.reporting.units import number
from perfseer.targets import TARGET_NAMES

FLOOR = "measurement noise (floor)"
NOT_MEASURED = "not measured"
# What measuring again has to share with the first time, in words.
_SAME = {
    "device": "device",
    "environment": "environment",
    "protocol": "protocol",
    "protocol_version": "protocol version",
}

Floors = Mapping[str, NoiseFloor]


def load_floors(path: Path, rows: pd.DataFrame, confidence: float) -> Floors:
    """Noise floors of the labels of ``rows`` from their repeats.

    Args:
        path: ``repeats.parquet``; without it no floor is known.
        rows: measured once, the dataset's.
        confidence: of the floors' intervals.

    Returns:
        Label → floor; empty without repeats, and without labels that were measured twice.

    Raises:
        PerfseerError: ``path`` is no measurement table, or its rows were measured on another device, in
            another environment or by another protocol than ``rows``.
    """
    if not path.is_file():
        return {}
    repeats = read_table(path)
    require_comparable(rows, repeats, path)
    # A configuration the dataset refused may have been measured again; it is in no accuracy either.
    return noise_floors(rows, repeats.merge(rows[list(SAME)].drop_duplicates(), on=list(SAME)), confidence)


def require_comparable(rows: pd.DataFrame, others: pd.DataFrame, path: Path) -> None:
    """What was measured beside a table says something of it only if device and way of measuring are the same.

    Args:
        rows: the table.
        others: measured beside it.
        path: of ``others``.

    Raises:
        PerfseerError: names what differs, and both values.
    """
    for column, words in _SAME.items():
        known, found = (set(table[column].dropna().map(str)) for table in (rows, others))
        if not found <= known:
            there, here = (", ".join(sorted(values)) or "none" for values in (found - known, known))
            raise PerfseerError(
                f"{path} was measured with another {words} than the measurement table: "
                f"{there[:300]}; the table has {here[:300]}. Measure again on the present table "
                f"(`snakemake` does), or delete {path}"
            )


def floor_cell(floors: Floors, target: str) -> str:
    """The floor of one label with its interval, ``2.31 (2.05 to 2.60)`` [%], or ``not measured``."""
    if target not in floors:
        return NOT_MEASURED
    floor = floors[target]
    return f"{number(floor.mape_pct)} ({number(floor.low_pct)} to {number(floor.high_pct)})"


def mean_floor(floors: Floors, targets: Sequence[str]) -> float | None:
    """Mean of the floors of some labels [%]; None unless all are known."""
    found = [floors[name].mape_pct for name in targets if name in floors]
    return sum(found) / len(found) if found and len(found) == len(targets) else None


def mean_floor_cell(floors: Floors, targets: Sequence[str] = TARGET_NAMES) -> str:
    """`mean_floor`, of a single label with its interval, or ``not measured``."""
    if len(targets) == 1:
        return floor_cell(floors, targets[0])
    mean = mean_floor(floors, targets)
    return NOT_MEASURED if mean is None else number(mean)


def multiple(mape_pct: float, floors: Floors, target: str) -> str:
    """A MAPE as a multiple of the floor, ``3.4 ×``, or ``not measured``; ``–`` where the floor is zero."""
    if target not in floors:
        return NOT_MEASURED
    floor = floors[target].mape_pct
    return f"{number(mape_pct / floor, 2)} ×" if floor else "–"


def in_floors(mape_pct: float, floors: Floors, target: str) -> str:
    """``3.4 × the noise floor``; empty where there is none to speak of."""
    known = target in floors and floors[target].mape_pct > 0
    return f"{multiple(mape_pct, floors, target)} the noise floor" if known else ""


def floor_note(floors: Floors) -> str:
    """What the row `FLOOR` of the accuracy tables means, or why it holds no numbers."""
    if not floors:
        return (
            f"**{FLOOR.capitalize()}: {NOT_MEASURED}.** No configuration was measured twice, so it is not "
            "known below which error nobody can predict; `perfseer remeasure` finds out."
        )
    most = max(floors.values(), key=lambda floor: floor.measurements)
    return (
        f"“{FLOOR}”, a line in tables and dashed in figures, is the MAPE that a predictor which knew the "
        "true label of every configuration would still show against single measurements, with its interval "
        "over configurations: "
        f"{most.configurations:,} configurations, measured {most.measurements:,} times in all. Nobody can "
        "predict below it ([measurement.md](measurement.md))."
    )


def draw_floor(axis: Axes, floors: Floors, targets: Sequence[str], *, upright: bool) -> None:
    """A dashed line at the mean floor of the labels whose MAPE a panel shows, if it is known.

    Args:
        axis: of MAPE [%]; an empty one stays empty.
        floors: by label.
        targets: labels of the panel.
        upright: whether MAPE runs along x.
    """
    mean = mean_floor(floors, targets)
    if mean and axis.has_data():
        draw = axis.axvline if upright else axis.axhline
        draw(mean, color=VERMILION, linewidth=1.0, linestyle=(0, (4, 2)), zorder=3)
