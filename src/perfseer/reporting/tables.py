"""Markdown tables, and text from outside made safe in them."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from perfseer.text import plain

Row = TypeVar("Row")
Column = tuple[str, Callable[[Row], str]]  # title, and the cell of a row

_SHOWN = (
    *(("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("`", "'"), ("*", "\\*"), ("~", "\\~")),
    *(("](", "]\\("), ("][", "]\\["), ("]:", "]\\:"), ("www.", "www&#46;")),
)
_ADDRESS = re.compile(r"\b(https?|ftp)://", re.IGNORECASE)
# Within a word an underscore is just that.
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[#+-]")
# An ampersand of the text itself, not of what was put in above.
_ENTITY = re.compile(r"&(?=#?\w+;)(?!lt;|gt;|#46;|#58;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_TARGET = re.compile(r"\]\(\s*<?([^)\s>]*)")
_LOCAL = re.compile(r"#[\w-]*|[\w.-]+(/[\w.-]+)*(#[\w-]*)?")


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
    """Text from outside (a reason, a device name) made safe in Markdown and its tables.

    One line, shown as it is: no pipes, tags, emphasis, links or images, and no address that a reader of
    Markdown would make a link of.
    """
    flat = plain(" ".join(text.split())).replace("\\", "\\\\")
    for found, shown in _SHOWN:
        flat = flat.replace(found, shown)
    return _EMPHASIS.sub(r"\\\g<0>", _ENTITY.sub("&amp;", _ADDRESS.sub(r"\1&#58;//", flat)))


def tamed(markdown: str) -> str:
    """A whole document in which nothing is alive but what documents of ours consist of.

    What was overlooked elsewhere ends here: tags, definitions of links, images and links that lead anywhere
    but to files beside the document. Of our own sentences nothing changes.
    """
    text = _TAG.sub("&lt;", plain(markdown)).replace("]:", "]\\:")
    return _ADDRESS.sub(r"\1&#58;//", _TARGET.sub(_local_target, text))


def is_local(target: str) -> bool:
    """Whether a link or an image leads to a place in a document, or to a file beside or below it."""
    return bool(_LOCAL.fullmatch(target)) and ".." not in target


def _local_target(found: "re.Match[str]") -> str:
    return found[0] if is_local(found[1]) else f"]\\({found[0][2:]}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
