"""Where each predictor fails: error by stage style, by batch size and by size of the network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perfseer.evaluation.breakdowns import GROUPINGS
from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.floors import FLOOR, floor_cell
from perfseer.reporting.tables import escape, markdown_table, table
from perfseer.reporting.units import MISSING, count, number, percent
from perfseer.studies.comparison.aligned import Aligned
from perfseer.targets import TARGETS


@dataclass(frozen=True)
class Grouped:
    """Errors of all predictors by the groups of one grouping.

    Attributes:
        sizes: [groups] test rows of all seeds, by group in order.
        mape: [groups, predictors] mean absolute error [%]; NaN without rows.
    """

    sizes: pd.Series
    mape: pd.DataFrame


Groups = Mapping[tuple[str, str], Grouped]


def group_all(aligned: Aligned) -> Groups:
    """MAPE of every predictor in every group, by (target, grouping), test rows of all seeds.

    By stage style a network counts in each of its styles.
    """
    groups = {name: group(aligned.rows) for name, group in GROUPINGS.items()} if len(aligned.rows) else {}
    return {
        (target, name): _grouped(aligned.absolute[target], places)
        for target in aligned.errors
        for name, places in groups.items()
    }


def _grouped(errors: pd.DataFrame, groups: pd.Series) -> Grouped:
    # A row may be in several groups, so its label in the index may repeat.
    rows, keys = errors.loc[groups.index].reset_index(drop=True), groups.reset_index(drop=True)
    by = rows.groupby(keys, observed=True, sort=True)
    return Grouped(by.size(), by.mean())


def group_table(aligned: Aligned, groups: Groups, target: str, grouping: str) -> str:
    """MAPE of every predictor by group, a predictor's worst in bold; last the noise floor of all rows."""
    found = groups.get((target, grouping))
    if found is None:
        return MISSING
    lines = [["test rows", *(count(int(size)) for size in found.sizes), count(len(aligned.rows))]]
    for name in aligned.experiment.predictors:
        if name not in found.mape.columns:
            lines.append([name, *[aligned.experiment.absent(name, target)] * (len(found.sizes) + 1)])
            continue
        whole = float(aligned.absolute[target][name].mean())
        lines.append([name, *_cells(found.mape[name].to_numpy(dtype=np.float64)), number(whole)])
    lines.append([FLOOR, *["–"] * len(found.sizes), floor_cell(aligned.experiment.floors, target)])
    header = ["predictor", *(escape(str(group)) for group in found.sizes.index), "all rows"]
    return markdown_table(header, lines)


def _cells(values: FloatArray) -> list[str]:
    worst = int(np.nanargmax(values))
    shown = [MISSING if np.isnan(value) else number(float(value)) for value in values]
    return [f"**{text}**" if place == worst else text for place, text in enumerate(shown)]


@dataclass(frozen=True)
class Worst:
    """The group in which a predictor's MAPE is largest.

    Attributes:
        mape_pct: there [%].
        ratio: to its MAPE over all rows.
    """

    grouping: str
    group: str
    mape_pct: float
    ratio: float


def worst_group(aligned: Aligned, groups: Groups, predictor: str, target: str) -> Worst | None:
    """The worst group of at least ``judgement.group_rows`` test rows; None where there is none."""
    least = aligned.experiment.report.judgement.group_rows
    whole = float(aligned.absolute[target][predictor].mean())
    candidates = []
    for grouping in GROUPINGS:
        found = groups[target, grouping]
        errors = found.mape[predictor][found.sizes >= least].dropna()
        if len(errors):
            value = float(errors.max())
            candidates.append(Worst(grouping, str(errors.idxmax()), value, value / whole if whole else 1.0))
    return max(candidates, key=lambda worst: worst.mape_pct, default=None)


def worst_table(aligned: Aligned, groups: Groups) -> str:
    """The worst group of every predictor and label, its MAPE, and that over the MAPE of all rows."""
    return table(
        aligned.experiment.predictors,
        [
            ("predictor", str),
            *((t.title, lambda name, t=t: _worst_cell(aligned, groups, name, t.name)) for t in TARGETS),
        ],
        align="lllllll",
    )


def _worst_cell(aligned: Aligned, groups: Groups, predictor: str, target: str) -> str:
    if predictor not in aligned.predictors(target):
        return aligned.experiment.absent(predictor, target)
    worst = worst_group(aligned, groups, predictor, target)
    if worst is None:
        return "groups too small"
    group = f"batch size {worst.group}" if worst.grouping == "batch size" else escape(worst.group)
    return f"{group}: {percent(worst.mape_pct)}, {number(worst.ratio, 2)} ×"
