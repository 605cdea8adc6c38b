"""Where the error is: by family, by size, by batch size; and how often intervals hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.significance import Resampled
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, count, number
from perfseer.studies.public.goals import COVERAGE_PCT
from perfseer.studies.public.records import INTERVAL
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
def by_family(study: Study, name: str, grouping: Grouping, file: str) -> list[Group]:
    """Families with several architectures, largest error first."""
    rows = study.rows(name, grouping, file)
    if rows.empty:
        return []
    sizes = rows.groupby("family")["architecture"].nunique()
    large = sizes.index[sizes >= _LEAST_ARCHITECTURES]
    found = [_group(study, str(family), rows[rows["family"] == family]) for family in large]
    return sorted(found, key=lambda one: -one.mape_pct)


@lru_cache(maxsize=_MEMORY)
def by_size(study: Study, name: str, grouping: Grouping, file: str) -> list[Group]:
    """Fifths of the rows by forward FLOPs of one sample; the name gives the upper bound."""
    rows = study.rows(name, grouping, file)
    rows = rows[rows["configuration"].isin(study.facts.index)] if not rows.empty else rows
    if rows.empty:
        return []
    # Parts are of configurations: each is in one part, however many seeds predicted it.
    facts = study.facts.loc[rows["configuration"].unique()]
    sizes = facts["flops"] / facts["batch_size"]
    part = pd.qcut(sizes.rank(method="first"), min(_PARTS, len(sizes)), labels=False)
    part_of = rows["configuration"].map(part)
    return [
        _group(study, f"≤ {number(float(sizes[part == one].max()) / 1e9, 2)}", rows[part_of == one])
        for one in sorted(set(part))
    ]


@lru_cache(maxsize=_MEMORY)
def by_batch_size(study: Study, name: str, grouping: Grouping, file: str) -> list[Group]:
    """Rows by their batch size, in steps of four times, smallest first."""
    rows = study.rows(name, grouping, file)
    if rows.empty:
        return []
    part = np.searchsorted(_BATCH_SIZES, rows["batch_size"].to_numpy())
    found = []
    for place in sorted(set(part.tolist())):
        group = rows[part == place]
        low, high = int(group["batch_size"].min()), int(group["batch_size"].max())
        found.append(_group(study, str(low) if low == high else f"{low}–{high}", group))
    return found


def _group(study: Study, name: str, rows: pd.DataFrame) -> Group:
    errors = rows["error_pct"]
    drawn = study.resampled(errors.abs().to_numpy(), rows["architecture"], rows["seed"])
    values = (float(drawn.mean[0]), float(drawn.low[0]), float(drawn.high[0]), float(errors.median()))
    return Group(name, rows["architecture"].nunique(), rows["configuration"].nunique(), *values)


def group_table(what: str, groups: Sequence[Group]) -> str:
    """A table of groups: n, MAPE with its interval, bias; a word where there are none."""
    if not groups:
        return MISSING
    header = [what, "architectures", "rows", "MAPE [%]", "interval [%]", "median signed error [%]"]
    rows = [
        [
            one.name,
            count(one.architectures),
            count(one.rows),
            number(one.mape_pct),
            f"{number(one.low_pct)} to {number(one.high_pct)}",
            f"{one.bias_pct:+.1f}".replace("-", "−"),
        ]
        for one in groups
    ]
    return markdown_table(header, rows)


@lru_cache(maxsize=_MEMORY)
def coverage(study: Study, name: str, grouping: Grouping, files: tuple[str, ...]) -> Resampled | None:
    """Share of measurements inside their predicted intervals [%]; None where there are no intervals."""
    parts = [part for part in (study.rows(name, grouping, file) for file in files) if not part.empty]
    if not parts or not set(INTERVAL) <= set(parts[0].columns):
        return None
    rows = pd.concat(parts, ignore_index=True)
    inside = (rows[INTERVAL[0]] <= rows["actual_ms"]) & (rows["actual_ms"] <= rows[INTERVAL[1]])
    return study.resampled(100.0 * inside.to_numpy(dtype=np.float64), rows[grouping], rows["seed"])


def width_pct(study: Study, name: str, grouping: Grouping, file: str) -> float | None:
    """Median half width of the intervals as a share of the prediction [%], on the logarithmic scale."""
    rows = study.rows(name, grouping, file)
    if rows.empty or not set(INTERVAL) <= set(rows.columns):
        return None
    half = np.sqrt((rows[INTERVAL[1]] / rows[INTERVAL[0]]).to_numpy())
    return float(100.0 * (np.median(half) - 1.0))


def coverage_table(study: Study) -> str:
    """Coverage of the subject's intervals on every file, and on all together."""
    subject, groupings = study.settings.subject, study.settings.groupings
    header = ["labels", *(f"{what}, by {one}" for one in groupings for what in ("inside [%]", "± [%]"))]
    files = study.files(subject)
    rows = []
    for file in files:
        cells = []
        for grouping in groupings:
            width = width_pct(study, subject, grouping, file)
            shown = number(width) if width is not None else MISSING
            cells += [_coverage_text(coverage(study, subject, grouping, (file,))), shown]
        rows.append([title(file), *cells])
    pooled = [coverage(study, subject, grouping, files) for grouping in groupings]
    rows.append(["**all**", *(cell for one in pooled for cell in (f"**{_coverage_text(one)}**", ""))])
    return markdown_table(header, rows)


def _coverage_text(found: Resampled | None) -> str:
    if found is None:
        return MISSING
    return f"{number(float(found.mean[0]))} ({number(float(found.low[0]))} to {number(float(found.high[0]))})"


def coverage_verdict(study: Study, grouping: Grouping) -> str:
    """Whether all rows together are covered as they should be, in words."""
    found = coverage(study, study.settings.subject, grouping, study.files(study.settings.subject))
    if found is None:
        return f"by {grouping}: {MISSING}"
    low, high = COVERAGE_PCT
    share = float(found.mean[0])
    word = "within" if low <= share <= high else ("above" if share > high else "below")
    return f"by {grouping}: {_coverage_text(found)} %, {word} the {low:g} to {high:g} % asked for"
