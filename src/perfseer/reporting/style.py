"""The look of the figures, and writing them so that equal data give equal bytes."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style as mpl_style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from perfseer.data.files import atomic
from perfseer.reporting.units import MISSING, number

# Okabe and Ito's palette: told apart by people with any common colour vision.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#7F7F7F",
)
PREDICTOR_COLOURS = (GREY, ORANGE, BLUE, GREEN, PURPLE, VERMILION)

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.labelcolor": "#222222",
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": 9,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "perfseer",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def styled() -> Iterator[None]:
    """The project's matplotlib settings for the block, over matplotlib's own defaults."""
    with mpl_style.context(["default", _STYLE]):
        yield


def panels(
    rows: int,
    columns: int,
    width: float = 9.0,
    height: float = 2.6,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure with rows × columns axes, in reading order.

    Args:
        rows: of axes.
        columns: of axes.
        width: of the figure [inch].
        height: of each row [inch].
        heights: of the rows where they differ, instead of ``height`` [inch].
    """
    total = height * rows if heights is None else sum(heights)
    figure = Figure(figsize=(width, total), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, [axes for line in grid for axes in line]


def save(figure: Figure, path: Path) -> None:
    """Write an SVG without date or program name, atomically; ids come from a fixed salt.

    Raises:
        PerfseerError: the folder cannot be written.
    """
    with atomic(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def say_missing(axes: Axes, why: str = MISSING) -> None:
    """An empty panel that says why it is empty."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def log_ticks(axes: Axes, which: str) -> None:
    """Logarithmic axis with plain numbers (0.1, 1, 10) instead of powers.

    Args:
        axes: to change.
        which: ``x``, ``y`` or ``xy``.
    """
    for name in which:
        getattr(axes, f"set_{name}scale")("log")
        axis = getattr(axes, f"{name}axis")
        low, high = axis.get_view_interval()
        subs: Sequence[float] = (1.0, 2.0, 5.0) if high / max(low, 1e-300) < 200 else (1.0,)
        axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=6 if len(subs) == 1 else 12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axis.set_minor_locator(NullLocator())


def _tick(value: float) -> str:
    """A tick's number, powers of ten where it would be long."""
    if 1e-3 <= value < 1e5:
        return number(value, 1)
    return f"$10^{{{round(math.log10(value))}}}$"


def label_colour(names: Sequence[str], name: str) -> str:
    """Colour of a predictor: by its place in the list, so that it is the same in every figure."""
    return PREDICTOR_COLOURS[list(names).index(name) % len(PREDICTOR_COLOURS)]
