"""Markdown tables."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A pipe table; the first ``left`` columns are aligned left, the others right.

    Args:
        header: column titles.
        rows: cells as text, as many per row as titles.
        left: columns aligned left.

    Returns:
        Lines joined by newlines, without a trailing one.

    Raises:
        ValueError: a row has another number of cells than the header.
    """
    lines = [_line(header), _line([":--" if i < left else "--:" for i in range(len(header))])]
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
