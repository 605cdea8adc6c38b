"""A document: template and values become Markdown, its web page, figures and tables for ``dvc plots``."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from perfseer.data.files import atomic
from perfseer.reporting.html import page
from perfseer.reporting.outputs import document_of
from perfseer.reporting.style import save, styled


def fill(template: Path, values: Mapping[str, object]) -> str:
    """Render a template of a document, or of a section of one.

    Args:
        template: the file, beside the code that provides its values.
        values: everything the template names; text from outside has gone through `tables.escape`.

    Returns:
        Markdown without trailing spaces and with no more than one blank line in a row.

    Raises:
        jinja2.UndefinedError: the template names a value nobody provides.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    return tidy(environment.get_template(template.name).render(**values))


def tidy(text: str) -> str:
    """No trailing spaces, no more than one blank line in a row, one newline at the end."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).strip() + "\n"


def write(document: str, text: str, folder: Path) -> tuple[Path, Path]:
    """Write ``<document>.md`` and its twin ``<document>.html`` below ``folder``, atomically.

    Raises:
        PerfseerError: the folder cannot be written.
    """
    markdown, web = folder / f"{document}.md", folder / f"{document}.html"
    for path, content in ((markdown, text), (web, page(text))):
        with atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return markdown, web


def draw(document: str, makers: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """Write a document's figures as SVG and remove those of earlier runs that it no longer draws.

    Args:
        document: the figures' owner; figures of other documents in the folder are left alone.
        makers: file stem (beginning with ``<document>_``; `outputs.document_of`) → function that draws it.
        folder: receives the files; created where missing.

    Returns:
        Paths written.
    """
    written = []
    for stem, make in makers.items():
        path = folder / f"{stem}.svg"
        with styled():
            save(make(), path)
        written.append(path)
    for path in folder.glob("*.svg"):
        if path not in written and document_of(path.stem) == document:
            path.unlink()
    return written


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write tables behind figures as ``<name>.csv`` with six significant digits; return their paths."""
    written = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        written.append(path)
    return written
