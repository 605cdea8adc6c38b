"""Names beside points of a scatter, placed so that none covers another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import cos, pi, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from perfseer.graphs.perfgraph import FloatArray

_POINTS_PER_INCH = 72.0
# Where a name may stand around its point: distances [points], then directions, the best first.
_DISTANCES = (5.0, 9.0, 14.0, 20.0, 27.0, 35.0, 44.0)
_DIRECTIONS = tuple(pi * part / 8 for part in (0, 1, 15, 8, 7, 9, 4, 12, 2, 14, 6, 10, 3, 13, 5, 11))
# Beyond this a line leads from the point to its name [points].
_NEAR = 6.0
_GAP = 1.0


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def covers(self, boxes: FloatArray) -> bool:
        """Whether it overlaps any of ``boxes`` [n, 4]."""
        if not len(boxes):
            return False
        return bool(
            (
                (self.left < boxes[:, 2])
                & (self.right > boxes[:, 0])
                & (self.bottom < boxes[:, 3])
                & (self.top > boxes[:, 1])
            ).any()
        )


def name_points(
    axis: Axes,
    x: Sequence[float],
    y: Sequence[float],
    names: Sequence[str],
    size: float,
    steps: Sequence[tuple[float, float]] = (),
    others: FloatArray | None = None,
) -> int:
    """Write each name beside its point, the first ones nearest; a name without room is left out.

    The axis must have its final limits and scales. Layout is settled here.

    Args:
        axis: to write on.
        x: of the points, in data.
        y: of the points.
        names: one per point, the most important first.
        size: of the letters [points].
        steps: corners of a line that no name may lie on, in data; its parts are level or upright.
        others: [n, 2] further points that no name may lie on, in data.

    Returns:
        How many names were written.
    """
    figure = axis.get_figure(root=True)
    if figure is None or not len(names):
        return 0
    figure.draw_without_rendering()
    scale = _POINTS_PER_INCH / figure.dpi
    places = scale * axis.transData.transform(np.column_stack([x, y]))
    window = scale * axis.get_window_extent().get_points()
    frame = Box(*(float(value) for value in window.ravel()))
    points = places if others is None else np.vstack([places, scale * axis.transData.transform(others)])
    taken = np.column_stack([points - 1.5, points + 1.5])
    if len(steps) > 1:
        corners = scale * axis.transData.transform(np.array(steps))
        ends = np.stack([corners[:-1], corners[1:]])
        taken = np.vstack([taken, np.hstack([ends.min(axis=0) - _GAP, ends.max(axis=0) + _GAP])])
    written = 0
    for point, at, name in zip(zip(x, y, strict=True), places, names, strict=True):
        width, height = _extent(name, size)
        for distance, box in _candidates(at, width, height):
            inside = box.left >= frame.left and box.right <= frame.right
            inside &= box.bottom >= frame.bottom and box.top <= frame.top
            if inside and not box.covers(taken):
                _write(axis, point, at, box, name, size, leader=distance > _NEAR)
                taken = np.vstack([taken, [box.left, box.bottom, box.right, box.top]])
                written += 1
                break
    return written


def _extent(name: str, size: float) -> tuple[float, float]:
    box = TextPath((0, 0), name, size=size, prop=FontProperties(family="DejaVu Sans")).get_extents()
    return float(box.width) + _GAP, 1.05 * size


def _candidates(at: FloatArray, width: float, height: float) -> Iterator[tuple[float, Box]]:
    for distance, direction in product(_DISTANCES, _DIRECTIONS):
        # The box touches the circle around the point with its near side.
        across, up = cos(direction), sin(direction)
        left = at[0] + distance * across + (width * (across - 1) / 2)
        bottom = at[1] + distance * up + (height * (up - 1) / 2)
        yield distance, Box(left, bottom, left + width, bottom + height)


def _write(
    axis: Axes, point: tuple[float, float], at: FloatArray, box: Box, name: str, size: float, *, leader: bool
) -> None:
    shown = axis.annotate(
        name,
        point,
        xytext=(box.left - at[0], box.bottom - at[1] + 0.18 * size),
        textcoords="offset points",
        fontsize=size,
        va="baseline",
        arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 1.5}
        if leader
        else None,
        zorder=5,
    )
    shown.set_in_layout(False)
