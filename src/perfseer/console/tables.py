"""Tables on the console, declared as columns over rows. Text stays as it is: nothing in it is markup."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Generic, TextIO, TypeVar

import typer

from perfseer.text import one_line, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

R = TypeVar("R")


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"


Style = Annotated[Format, typer.Option("--format", help="A table for people, JSON for programs.")]


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column of a table.

    Attributes:
        title: its heading.
        cell: what it says of a row.
        number: aligned to the right.
        unbroken: cut off rather than broken over lines.
    """

    title: str
    cell: Callable[[R], object]
    number: bool = False
    unbroken: bool = False


def listed(titles: Iterable[str], numbers: Iterable[str]) -> list[Column[Sequence[Any]]]:
    """Columns over rows that are lists of cells; ``numbers`` names those aligned to the right."""
    right = set(numbers)
    return [Column(title, itemgetter(i), number=title in right) for i, title in enumerate(titles)]


def table(
    columns: Sequence[Column[R]],
    rows: Iterable[R],
    *,
    title: str | None = None,
    fold: bool = False,
    style: Callable[[R], str | None] | None = None,
) -> "Table":
    """A table for `console`.

    Args:
        columns: from left to right.
        rows: from top to bottom.
        title: above it; a table with a title is framed.
        fold: break long words instead of cutting them off.
        style: colour of a row.
    """
    from rich import box
    from rich.table import Table

    made = Table(title=title and one_line(title), title_justify="left")
    if not title:
        made.box, made.pad_edge = box.SIMPLE_HEAD, False
    for column in columns:
        made.add_column(
            column.title,
            justify="right" if column.number else "left",
            no_wrap=column.unbroken,
            overflow="fold" if fold else "ellipsis",
        )
    for row in rows:
        made.add_row(
            *(one_line(str(column.cell(row))) for column in columns), style=style(row) if style else None
        )
    return made


def console(piped_width: int = 160, stream: TextIO | None = None) -> "Console":
    """Standard output or ``stream``: as wide as the terminal, ``piped_width`` columns where it is none."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else piped_width
    return _plain_console()(file=stream, width=width, highlight=False, markup=False)


@cache
def _plain_console() -> "type[Console]":
    from rich.console import Console

    class PlainConsole(Console):
        """Text given to it acts on no terminal."""

        def print(self, *objects: Any, **how: Any) -> None:
            """As Rich's, text made `plain` before."""
            super().print(*(plain(one) if isinstance(one, str) else one for one in objects), **how)

    return PlainConsole
