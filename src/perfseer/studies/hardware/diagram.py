"""The tables of the hardware database and what refers to what, drawn from the schema."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from sqlalchemy import Table as SqlTable

from perfseer.hardware.description import type_of
from perfseer.hardware.schema import METADATA
from perfseer.reporting.style import BLUE, GREY, panels

_LINE, _GAP_X, _GAP_Y, _WIDTH = 0.2, 1.15, 0.35, 3.1
_HEAD = "#E3EEF6"


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    table: SqlTable

    @property
    def height(self) -> float:
        return _LINE * (len(self.table.columns) + 1)

    def line_of(self, column: str) -> float:
        """Height of the middle of a column's line; the head stands for the key."""
        names = [each.name for each in self.table.columns]
        return self.top - _LINE * (names.index(column) + 1.5)


def diagram() -> Figure:
    """An entity-relationship diagram: a box for each table, an arrow for each foreign key."""
    boxes = _placed()
    right = max(box.left for box in boxes.values()) + _WIDTH
    bottom = min(box.top - box.height for box in boxes.values())
    figure, (axes,) = panels(1, 1, width=right * 0.95, height=-bottom * 0.95)
    axes.set_axis_off()
    axes.set_xlim(-0.3, right + 0.3)
    axes.set_ylim(bottom - 0.2, 0.3)
    for box in boxes.values():
        _draw_box(axes, box)
    for box in boxes.values():
        _draw_references(axes, box, boxes)
    return figure


def _levels() -> list[list[SqlTable]]:
    """Tables by the longest way of references that starts at them."""
    depth: dict[str, int] = {}
    for table in METADATA.sorted_tables:
        targets = {key.column.table.name for key in table.foreign_keys} - {table.name}
        depth[table.name] = 1 + max((depth[name] for name in targets), default=-1)
    levels: list[list[SqlTable]] = [[] for _ in range(max(depth.values()) + 1)]
    for table in METADATA.sorted_tables:
        levels[depth[table.name]].append(table)
    return levels


def _placed() -> dict[str, _Box]:
    """Levels from left to right; a high one is broken into columns of about the same height."""
    boxes: dict[str, _Box] = {}
    left = 0.0
    for level in _levels():
        limit = max(9.0, max(_LINE * (len(table.columns) + 1) for table in level))
        top = 0.0
        for table in sorted(level, key=lambda table: -len(table.columns)):
            height = _LINE * (len(table.columns) + 1)
            if top and -top + height > limit:
                left, top = left + _WIDTH + _GAP_X, 0.0
            boxes[table.name] = _Box(left, top, table)
            top -= height + _GAP_Y
        left += _WIDTH + _GAP_X
    return boxes


def _draw_box(axes: Axes, box: _Box) -> None:
    corner = (box.left, box.top - box.height)
    axes.add_patch(Rectangle(corner, _WIDTH, box.height, facecolor="white", edgecolor=GREY, linewidth=0.8))
    head = (box.left, box.top - _LINE)
    axes.add_patch(Rectangle(head, _WIDTH, _LINE, facecolor=_HEAD, edgecolor=GREY, linewidth=0.8))
    axes.text(box.left + 0.07, box.top - _LINE / 2, box.table.name, va="center", weight="bold", size=9)
    for column in box.table.columns:
        height = box.line_of(column.name)
        weight = "bold" if column.primary_key else "normal"
        axes.text(box.left + 0.07, height, column.name, va="center", size=7.5, weight=weight)
        kind = type_of(column) + ("" if column.nullable else " *")
        axes.text(box.left + _WIDTH - 0.07, height, kind, va="center", ha="right", size=6.5, color=GREY)


def _draw_references(axes: Axes, box: _Box, boxes: Mapping[str, _Box]) -> None:
    for column in box.table.columns:
        for key in column.foreign_keys:
            target = boxes[key.column.table.name]
            own = target is box
            arrow = FancyArrowPatch(
                (box.left, box.line_of(column.name)),
                (target.left + (0 if own else _WIDTH), target.line_of(key.column.name)),
                arrowstyle="-|>",
                mutation_scale=7,
                linewidth=0.6,
                color=BLUE,
                alpha=0.7,
                connectionstyle="arc3,rad=0.9" if own else "arc3,rad=0.06",
                zorder=0.5,
            )
            axes.add_patch(arrow)
