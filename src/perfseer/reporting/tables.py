"""Markdown tables."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Row = TypeVar("Row")
Column = tuple[str, Callable[[Row], str]]  # title, and the cell of a row


def table(
    rows: Iterable[Row], columns: Sequence[Column[Row]], align: str = "l", last: Iterable[Sequence[str]] = ()
) -> str:
    """A pipe table with a line for each row.

    Args:
        rows: whatever the cells are made of.
        columns: title and cell of each column, from left to right.
        align: as in `markdown_table`.
        last: cells of lines below them that are no such rows: a total, the noise floor.
    """
    cells = [cell for _, cell in columns]
    lines = [[cell(row) for cell in cells] for row in rows]
    return markdown_table([title for title, _ in columns], [*lines, *last], align)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "l") -> str:
    """A pipe table.

    Args:
        header: column titles.
        rows: cells as text, as many per row as titles.
        align: ``l`` or ``r`` per column, left or right; columns beyond it are aligned right.

    Returns:
        Lines joined by newlines, without a trailing one.

    Raises:
        ValueError: a row has another number of cells than the header.
    """
    lines = [
        _line(header),
        _line([":--" if side == "l" else "--:" for side in align.ljust(len(header), "r")]),
    ]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"table row has {len(row)} cells, the header {len(header)}: {list(row)}")
        lines.append(_line(row))
    return "\n".join(lines)


def bullet_list(items: Iterable[str]) -> str:
    """A Markdown list, one item a line; empty text when there are none."""
    return "\n".join(f"- {item}" for item in items)


def escape(text: str) -> str:
    """Text from outside (a reason, a device name) made safe in a table: one line, no pipes, no tags."""
    flat = " ".join(text.split())
    for character, replacement in (("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("`", "'")):
        flat = flat.replace(character, replacement)
    return flat


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
