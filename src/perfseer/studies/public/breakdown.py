"""Where the error is: by family, by size, by batch size; and how often intervals hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain

import numpy as np
import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.significance import Resampled
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import MISSING, count, number
from perfseer.studies.public.goals import COVERAGE_PCT
from perfseer.studies.public.records import INTERVAL, inside
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import title

_LEAST_ARCHITECTURES = 5  # of a family that gets a line of its own
_PARTS = 5  # of the range of sizes, equal in rows
_BATCH_SIZES = (1, 4, 16, 64, 256, 1024)  # upper bounds of groups
_MEMORY = 1024  # results kept, since tables and figures show the same


@dataclass(frozen=True)
class Group:
    """Error of some of the rows of a file.

    Attributes:
        name: of the group.
        architectures: in it.
        rows: configurations in it.
        mape_pct: mean absolute percentage error over seeds [%].
        low_pct: lower end of its bootstrap interval [%].
        high_pct: upper end, likewise [%].
        bias_pct: median signed error [%]; above 0 is predicted too slow.
    """

    name: str
    architectures: int
    rows: int
    mape_pct: float
    low_pct: float
    high_pct: float
    bias_pct: float


@lru_cache(maxsize=_MEMORY)
def by_family(study: Study, file: str) -> list[Group]:
    """Families with several architectures, none of which training saw, largest error first."""
    families = study.rows(study.settings.subject, "family", file).groupby("family")
    groups = [
        _group(study, str(family), rows)
        for family, rows in families
        if rows["architecture"].nunique() >= _LEAST_ARCHITECTURES
    ]
    return sorted(groups, key=lambda group: -group.mape_pct)


@lru_cache(maxsize=_MEMORY)
def by_size(study: Study, grouping: Grouping, file: str) -> list[Group]:
    """Fifths of the rows by forward FLOPs of one sample; the name gives the upper bound."""
    rows = study.rows(study.settings.subject, grouping, file)
    rows = rows[rows["configuration"].isin(study.facts.index)]
    if rows.empty:
        return []
    # Parts are of configurations: each is in one part, however many seeds predicted it.
    facts = study.facts.loc[rows["configuration"].unique()]
    sizes = facts["flops"] / facts["batch_size"]
    part = pd.qcut(sizes.rank(method="first"), min(_PARTS, len(sizes)), labels=False)
    part_of = rows["configuration"].map(part)
    return [
        _group(study, f"≤ {number(float(sizes[part == place].max()) / 1e9, 2)}", rows[part_of == place])
        for place in sorted(set(part))
    ]


@lru_cache(maxsize=_MEMORY)
def by_batch_size(study: Study, grouping: Grouping, file: str) -> list[Group]:
    """Rows by their batch size, in steps of four times, smallest first."""
    rows = study.rows(study.settings.subject, grouping, file)
    steps = rows.groupby(np.searchsorted(_BATCH_SIZES, rows["batch_size"].to_numpy()))["batch_size"]
    spans = zip(steps.min(), steps.max(), strict=True)
    return [
        _group(
            study, str(low) if low == high else f"{low}–{high}", rows[rows["batch_size"].between(low, high)]
        )
        for low, high in spans
    ]


def _group(study: Study, name: str, rows: pd.DataFrame) -> Group:
    errors = rows["error_pct"]
    drawn = study.resampled(errors.abs().to_numpy(), rows["architecture"], rows["seed"])
    n_architectures, n_rows = (rows[column].nunique() for column in ("architecture", "configuration"))
    return Group(name, n_architectures, n_rows, *drawn.only, float(errors.median()))


def group_table(what: str, groups: Sequence[Group]) -> str:
    """A table of groups: n, MAPE with its interval, bias; a word where there are none."""
    if not groups:
        return MISSING
    return table(
        groups,
        [
            (what, lambda group: group.name),
            ("architectures", lambda group: count(group.architectures)),
            ("rows", lambda group: count(group.rows)),
            ("MAPE [%]", lambda group: number(group.mape_pct)),
            ("interval [%]", lambda group: f"{number(group.low_pct)} to {number(group.high_pct)}"),
            ("median signed error [%]", lambda group: f"{group.bias_pct:+.1f}".replace("-", "−")),
        ],
    )


@lru_cache(maxsize=_MEMORY)
def coverage(study: Study, grouping: Grouping, files: tuple[str, ...]) -> Resampled | None:
    """Share of measurements inside the subject's intervals [%]; None where there are no intervals."""
    subject = study.settings.subject
    parts = (study.rows(subject, grouping, file) for file in files)
    rows = pd.concat([part for part in parts if not part.empty] or [pd.DataFrame()], ignore_index=True)
    covered = inside(rows)
    if covered is None:
        return None
    return study.resampled(100.0 * covered.to_numpy(dtype=np.float64), rows[grouping], rows["seed"])


def coverage_table(study: Study) -> str:
    """Coverage of the subject's intervals on every file, and on all together."""
    files, groupings = study.files(study.settings.subject), study.settings.groupings
    columns: list[Column[str]] = [("labels", title)]
    for grouping in groupings:
        columns.append((f"inside [%], by {grouping}", partial(_coverage_text, study, grouping)))
        columns.append((f"± [%], by {grouping}", partial(_width, study, grouping)))
    pooled = [(f"**{_coverage_text(study, grouping, *files)}**", "") for grouping in groupings]
    return table(files, columns, last=[["**all**", *chain(*pooled)]])


def _width(study: Study, grouping: Grouping, file: str) -> str:
    """Median half width of the intervals as a share of the prediction [%], on the logarithmic scale."""
    rows = study.rows(study.settings.subject, grouping, file)
    if not set(INTERVAL) <= set(rows.columns):
        return MISSING
    half = np.sqrt((rows[INTERVAL[1]] / rows[INTERVAL[0]]).to_numpy())
    return number(float(100.0 * (np.median(half) - 1.0)))


def _coverage_text(study: Study, grouping: Grouping, *files: str) -> str:
    covered = coverage(study, grouping, files)
    if covered is None:
        return MISSING
    mean, low, high = map(number, covered.only)
    return f"{mean} ({low} to {high})"


def coverage_verdict(study: Study, grouping: Grouping) -> str:
    """Whether all rows together are covered as they should be, in words."""
    files = study.files(study.settings.subject)
    covered, shown = coverage(study, grouping, files), _coverage_text(study, grouping, *files)
    if covered is None:
        return f"by {grouping}: {shown}"
    low, high = COVERAGE_PCT
    share, *_ = covered.only
    word = "within" if low <= share <= high else ("above" if share > high else "below")
    return f"by {grouping}: {shown} %, {word} the {low:g} to {high:g} % asked for"
