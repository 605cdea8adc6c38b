"""A table of a page that people search, sort and filter, with nothing but the page itself."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.reporting.html import Inset
from perfseer.reporting.units import count, number
from perfseer.reporting.vendored import DATATABLES, DATATABLES_LICENCE
from perfseer.text import one_line

STYLESHEET = Path(__file__).with_name("explorer.css")
SCRIPT = Path(__file__).with_name("explorer.js")
# What a link to a state of the explorer uses itself.
RESERVED = ("q", "sort")
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def figure(value: float) -> str:
    """Whole numbers in full, others with three significant digits."""
    return count(int(value)) if value.is_integer() and abs(value) < 1e15 else number(value)


@dataclass(frozen=True)
class ExplorerColumn:
    """How one column of the rows is shown.

    Attributes:
        name: of the column in `Explorer.rows`; stands in links, lower-case letters, digits and underscores.
        title: above it.
        unit: of its numbers, as they are shown; empty without one.
        kind: text, or number: sorted by value, to the right.
        filter: choice (one of its texts), range (at least, at most), or none.
        help: what it holds, in a sentence; stands below the table.
        show: a number as people read it; it is sorted and filtered by its value all the same.
    """

    name: str
    title: str
    unit: str = ""
    kind: Literal["text", "number"] = "text"
    filter: Literal["none", "choice", "range"] = "none"
    help: str = ""
    show: Callable[[float], str] = figure

    def __post_init__(self) -> None:
        require(
            bool(_COLUMN_NAME.fullmatch(self.name)) and self.name not in RESERVED,
            f"no name for a column of an explorer: {self.name!r}; expected lower-case letters, digits and "
            f"underscores, and none of {', '.join(RESERVED)}",
        )
        fitting = {"text": ("none", "choice"), "number": ("none", "range")}
        require(self.kind in fitting, f"column {self.name} is of kind {self.kind!r}; expected text or number")
        require(
            self.filter in fitting[self.kind],
            f"column {self.name} of kind {self.kind} has the filter {self.filter!r}; "
            f"expected {' or '.join(fitting[self.kind])}",
        )

    @property
    def full_title(self) -> str:
        """The title with its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


@dataclass(frozen=True)
class Explorer:
    """A table that can be searched, sorted and filtered, in place of a paragraph of the Markdown.

    Attributes:
        name: of its place in the page (``#explorer-<name>``), lower-case letters, digits and hyphens.
        things: what the rows are, in the plural: ``accelerators``.
        sentence: the paragraph that Markdown has in its stead.
        columns: what is shown, from left to right; the first names the row.
        rows: a line for each thing, in the order they stand in before anybody sorts. Texts: missing is "" or
            None; numbers: in the unit they are shown in, missing is NaN. Other columns are ignored.
    """

    name: str
    things: str
    sentence: str
    columns: Sequence[ExplorerColumn]
    rows: pd.DataFrame

    def __post_init__(self) -> None:
        require(
            bool(_NAME.fullmatch(self.name)),
            f"no name for an explorer: {self.name!r}; expected lower-case letters, digits and hyphens",
        )
        names = [column.name for column in self.columns]
        require(bool(names), f"explorer {self.name} shows no column; expected one or more")
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, f"explorer {self.name} shows the columns {twice} twice")
        missing = [name for name in names if name not in self.rows.columns]
        require(not missing, f"the rows of explorer {self.name} lack the columns {missing}")

    def inset(self) -> Inset:
        """What a page shows in place of the sentence: complete without JavaScript, alive with it.

        Raises:
            PerfseerError: a column of numbers holds something else, or an infinite one.
        """
        cells = [_row_cells(column, self.rows[column.name], not i) for i, column in enumerate(self.columns)]
        lines = (f"<tr>{''.join(line)}</tr>" for line in zip(*cells, strict=True))
        things, n = escape(one_line(self.things)), count(len(self.rows))
        body = [
            f'<section class="explorer" id="explorer-{self.name}" data-things="{things}" '
            f'aria-label="All {things}">',
            *self._tools(),
            f"<noscript><p>{n} {things}. To search, sort and filter them, allow this page its JavaScript."
            "</p></noscript>",
            f'<div class="explorer-scroll" tabindex="0" role="region" aria-label="Table of {things}">',
            f"<table>\n<thead><tr>{''.join(map(_head, self.columns))}</tr></thead>\n<tbody>",
            *lines,
            "</tbody>\n</table>\n</div>",
            *_help(self.columns),
            "</section>\n",
        ]
        return Inset(
            sentence=self.sentence,
            body="\n".join(body),
            style=STYLESHEET.read_text(encoding="utf-8"),
            scripts=(_library(), SCRIPT.read_text(encoding="utf-8")),
        )

    def _tools(self) -> list[str]:
        """Search, filters and what they leave; the script shows them."""
        things = escape(one_line(self.things))
        searched = _text(", ".join(column.title for column in self.columns if column.kind == "text"))
        choices = [column for column in self.columns if column.filter == "choice"]
        ranges = [column for column in self.columns if column.filter == "range"]
        within = [
            '<details><summary>Bounds of numbers<span></span></summary><div class="explorer-ranges">',
            *(_range(column, self.rows[column.name]) for column in ranges),
            '</div><p class="explorer-note">What is missing is within no bounds.</p></details>',
        ]
        return [
            '<div class="explorer-tools" role="search" hidden>',
            '<label class="explorer-search">Search'
            f'<input type="search" autocomplete="off" spellcheck="false" placeholder="{searched}">'
            "</label>",
            *(_choice(column, self.rows[column.name]) for column in choices),
            *(within if ranges else []),
            f'<p class="explorer-state"><output>{count(len(self.rows))} {things}</output>'
            '<button type="button">Clear</button></p>',
            "</div>",
        ]


def _row_cells(column: ExplorerColumn, values: "pd.Series[Any]", names_row: bool) -> list[str]:
    """Cells of one column, from top to bottom; the first column's name their rows."""
    tag = 'th scope="row"' if names_row else "td"
    end = tag.split()[0]
    if column.kind == "text":
        return [f"<{tag}>{_text(text)}</{end}>" for text in _texts(values)]
    cells = []
    for value in _numbers(column, values):
        shown = "" if math.isnan(value) else _text(column.show(value))
        exact = f' data-value="{value:.12g}"' if shown else ""
        cells.append(f'<{tag} class="number"{exact}>{shown}</{end}>')
    return cells


def _head(column: ExplorerColumn) -> str:
    side = ' class="number"' if column.kind == "number" else ""
    unit = f'<br><span class="unit">{_text(column.unit)}</span>' if column.unit else ""
    tip = f' title="{_text(column.help)}"' if column.help else ""
    return (
        f'<th scope="col"{side} data-name="{column.name}" data-kind="{column.kind}" '
        f'data-label="{_text(column.full_title)}"{tip}>{_text(column.title)}{unit}</th>'
    )


def _choice(column: ExplorerColumn, values: "pd.Series[Any]") -> str:
    counts = Counter(one_line(text).strip() for text in _texts(values) if text)
    options = (
        f'<option value="{escape(text)}">{escape(text)} ({count(n)})</option>'
        for text, n in sorted(counts.items(), key=lambda pair: (pair[0].casefold(), pair[0]))
    )
    return (
        f'<label>{_text(column.full_title)}<select data-column="{column.name}">'
        f'<option value="">all</option>{"".join(options)}</select></label>'
    )


def _range(column: ExplorerColumn, values: "pd.Series[Any]") -> str:
    known = [value for value in _numbers(column, values) if not math.isnan(value)]
    title = _text(column.full_title)
    fields = [
        f'<input type="number" step="any" data-column="{column.name}" data-bound="{bound}" '
        f'aria-label="{title}, {words}" placeholder="{_text(column.show(limit(known))) if known else ""}">'
        for bound, words, limit in (("min", "at least", min), ("max", "at most", max))
    ]
    return f"<fieldset><legend>{title}</legend>{'<span>to</span>'.join(fields)}</fieldset>"


def _help(columns: Iterable[ExplorerColumn]) -> list[str]:
    told = [
        f"<dt>{_text(column.full_title)}</dt><dd>{_text(column.help)}</dd>"
        for column in columns
        if column.help
    ]
    opened = '<details class="explorer-help"><summary>What the columns hold</summary><dl>'
    return [opened, *told, "</dl></details>"] if told else []


def _texts(values: "pd.Series[Any]") -> list[str]:
    return [
        "" if missing else str(value).strip() for value, missing in zip(values, values.isna(), strict=True)
    ]


def _numbers(column: ExplorerColumn, values: "pd.Series[Any]") -> list[float]:
    """The numbers of a column, NaN where missing."""
    numeric = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = values[numeric.isna() & values.notna()]
    require(wrong.empty, f"column {column.name} of an explorer holds {list(wrong[:3])}; expected numbers")
    infinite = int(np.isinf(numeric).sum())
    require(not infinite, f"column {column.name} of an explorer holds {infinite} infinite numbers")
    return [float(value) for value in numeric]


def _text(text: str) -> str:
    """Text from anywhere, shown in a page as it is."""
    return escape(one_line(text))


def _library() -> str:
    """DataTables with its licence, which asks to stand with every copy."""
    licence = DATATABLES_LICENCE.read_text(encoding="utf-8").strip()
    return f"/*!\n{licence}\n*/\n{DATATABLES.read_text(encoding='utf-8')}"
