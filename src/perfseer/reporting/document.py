"""A document: template and values become Markdown, its web page, figures and tables for ``dvc plots``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from perfseer.data.files import atomic, write_csv
from perfseer.reporting.html import Inset, page
from perfseer.reporting.outputs import Document
from perfseer.reporting.style import save, styled
from perfseer.reporting.tables import bullet_list, escape, tamed
from perfseer.reporting.units import count, in_percent, number, percent, plural, signed

# How numbers and lists are written in templates: {{ study.seeds | length | count }}.
FILTERS: dict[str, Callable[..., str]] = {
    "bullets": bullet_list,
    "count": count,
    "escaped": escape,
    "number": number,
    "percent": percent,
    "plural": plural,
    "share": in_percent,
    "signed": signed,
}


def fill(template: Path, /, **values: object) -> str:
    """Render a template of a document, or of a section of one.

    Args:
        template: the file, beside the code that provides its values.
        values: what the template names: a study's objects and the modules with its tables and sentences. Text
            from outside goes through `escaped`. The words of `units` and `bullet_list` are filters.

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
    environment.filters |= FILTERS
    return tidy(environment.get_template(template.name).render(**values))


def tidy(text: str) -> str:
    """No trailing spaces, no more than one blank line in a row, one newline at the end."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).strip() + "\n"


@dataclass(frozen=True)
class Published:
    """What came of rendering a document.

    Attributes:
        paths: the Markdown, its twin for browsers, then further files.
        missing: what it would have been rendered from and is not there, a line each.
    """

    paths: tuple[Path, ...]
    missing: tuple[str, ...] = ()


def publish(
    document: Document,
    text: str,
    folder: Path,
    *,
    figures: Mapping[str, Callable[[], Figure]],
    tables: Mapping[str, pd.DataFrame],
    missing: Sequence[str] = (),
    insets: Sequence[Inset] = (),
) -> Published:
    """Write a document: Markdown, its twin for browsers, figures, and tables for ``dvc plots``.

    Args:
        document: what is written.
        text: the Markdown.
        folder: receives the document; figures/ and plots/ lie in it, or in the document's own folder there.
        figures: file stem → function that draws it. Figures of earlier runs that are no longer drawn are
            removed, those of other documents left alone.
        tables: file stem → table, written with six significant digits.
        missing: as in `Published`.
        insets: what the twin for browsers has in place of paragraphs of the text.

    Raises:
        PerfseerError: the folder cannot be written, or an inset's sentence is not one paragraph of the text.
    """
    text, place = tamed(text), folder / document.folder
    _draw(document, figures, place / "figures")
    for stem, table in tables.items():
        write_csv(place / "plots" / f"{stem}.csv", table, float_format="%.6g")
    paths = folder / f"{document.name}.md", folder / f"{document.name}.html"
    for path, content in zip(paths, (text, page(text, insets)), strict=True):
        with atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return Published(paths, tuple(missing))


def _draw(document: Document, makers: Mapping[str, Callable[[], Figure]], folder: Path) -> None:
    written = []
    for stem, make in makers.items():
        path = folder / f"{stem}.svg"
        with styled():
            save(make(), path)
        written.append(path)
    for path in folder.glob("*.svg"):
        if path not in written and document.owns(path.stem):
            path.unlink()
