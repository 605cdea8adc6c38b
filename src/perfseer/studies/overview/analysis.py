"""A closer look at the analysed predictor's test rows: counts, groups, comparison, samples, noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from perfseer.evaluation.breakdowns import GROUPINGS, grouped_errors
from perfseer.evaluation.predictions import actual_column, predicted_column
from perfseer.reporting.floors import FLOOR, floor_cell, multiple
from perfseer.reporting.tables import escape, table
from perfseer.reporting.units import (
    MISSING,
    NOT_APPLICABLE,
    choose_scale,
    count,
    number,
    percent,
    share_text,
    signed,
)
from perfseer.studies.experiment import Experiment
from perfseer.studies.profile import measurement_intervals
from perfseer.targets import TARGETS, TIMES, Target


def count_table(experiment: Experiment) -> str:
    """How many test rows are how far off, per label, over all seeds."""
    ours, (first, second, third) = experiment.report.predictor, experiment.report.error_bounds_pct

    def of(cell: Callable[[pd.Series], str]) -> Callable[[tuple[Target, pd.Series]], str]:
        return lambda row: cell(row[1]) if len(row[1]) else experiment.absent(ours, row[0].name)

    return table(
        [(target, experiment.errors(ours, target.name).abs()) for target in TARGETS],
        [
            ("label", lambda row: row[0].title),
            ("test rows, all seeds", of(lambda errors: count(len(errors)))),
            (f"error below {first:g} %", of(lambda errors: _share(errors < first))),
            (f"below {second:g} %", of(lambda errors: _share(errors < second))),
            (f"above {third:g} %", of(lambda errors: _share(errors > third))),
            ("median error", of(lambda errors: percent(float(errors.median())))),
        ],
    )


def _share(mask: pd.Series) -> str:
    return f"{count(int(mask.sum()))} ({percent(100.0 * float(mask.mean()))})"


def group_errors(experiment: Experiment, predictor: str, target: str, grouping: str) -> pd.DataFrame:
    """Errors by group on the headline split, all seeds (`breakdowns.grouped_errors`); may be empty.

    By stage style a row counts in each of its styles.
    """
    errors = experiment.errors(predictor, target)
    if errors.empty:
        return pd.DataFrame(columns=["group", "n", "mape_pct", "median_pct", "bias_pct"])
    rows = experiment.predictions(predictor)
    flops = rows["configuration"].map(experiment.rows.set_index("configuration")["flops"])
    return grouped_errors(errors, GROUPINGS[grouping](rows.assign(flops=flops)))


def group_table(experiment: Experiment, grouping: str) -> str:
    """MAPE of the analysed and the reference predictor by group, for both times."""
    report = experiment.report
    columns = {
        f"{name}, {target.name} [%]": group_errors(experiment, name, target.name, grouping).set_index("group")
        for target in TIMES
        for name in dict.fromkeys((report.predictor, report.reference))
    }
    groups = list(dict.fromkeys(group for column in columns.values() for group in column.index))
    if not groups:
        return MISSING

    def size(group: Any) -> str:
        return count(max(int(column.loc[group, "n"]) for column in columns.values() if group in column.index))

    def mape(group: Any, column: pd.DataFrame) -> str:
        return number(float(column.loc[group, "mape_pct"])) if group in column.index else MISSING

    return table(
        groups,
        [
            (grouping, lambda group: escape(str(group))),
            ("test rows, all seeds", size),
            *((title, lambda group, column=column: mape(group, column)) for title, column in columns.items()),
        ],
    )


def noise_table(experiment: Experiment) -> str:
    """Prediction error beside the uncertainty of the measured value it is compared with, and the floor."""
    widths, floors = measurement_intervals(experiment.rows), experiment.floors
    errors = {t: experiment.errors(experiment.report.predictor, t.name).abs() for t in TARGETS}
    rows = [t for t in TARGETS if len(errors[t]) and (t.name in widths or t.name in floors)]
    if not rows:
        return f"{MISSING}: no label has predictions and a measurement interval or a noise floor."

    def half_width(target: Target) -> str:
        known = target.name in widths
        return f"± {percent(float(np.median(widths[target.name])))}" if known else "–"

    return table(
        rows,
        [
            ("label", lambda target: target.title),
            ("measurement, median half width", half_width),
            ("prediction, median error", lambda target: percent(float(errors[target].median()))),
            (
                "predictions inside the measurement's interval, of rows that have one",
                lambda target: _inside_interval(experiment, target) if target.name in widths else "–",
            ),
            (f"{FLOOR} [%]", lambda target: floor_cell(floors, target.name)),
            (
                "MAPE of all test rows, in floors",
                lambda target: multiple(float(errors[target].mean()), floors, target.name),
            ),
        ],
    )


def _inside_interval(experiment: Experiment, target: Target) -> str:
    """Predictions inside their measurement's interval, of the test rows that have one."""
    predictions = experiment.predictions(experiment.report.predictor)
    rows = experiment.rows.set_index("configuration").loc[predictions["configuration"]]
    predicted = predictions[predicted_column(target.name)].to_numpy()
    low, high = (
        rows[f"{target.phase}_time_ci_{end}_ms"].to_numpy(dtype=np.float64) for end in ("low", "high")
    )
    known = np.isfinite(low) & np.isfinite(high)
    return share_text(int((known & (predicted >= low) & (predicted <= high)).sum()), int(known.sum()))


def distribution_table(experiment: Experiment, target: Target) -> str:
    """Mean, median and standard deviation of predicted, measured and their difference at one label."""
    predictions = experiment.predictions(experiment.report.predictor)
    if predictions.empty or predicted_column(target.name) not in predictions.columns:
        return experiment.absent(experiment.report.predictor, target.name)
    ours, theirs = predictions[predicted_column(target.name)], predictions[actual_column(target.name)]
    scale = choose_scale(theirs, target.unit)
    rows: list[tuple[str, float, float]] = [
        ("mean", ours.mean(), theirs.mean()),
        ("median", ours.median(), theirs.median()),
        ("standard deviation", ours.std(ddof=0), theirs.std(ddof=0)),
    ]
    return table(
        rows,
        [
            ("statistic", lambda row: row[0]),
            (f"predicted [{scale.unit}]", lambda row: scale.show(row[1])),
            (f"measured [{scale.unit}]", lambda row: scale.show(row[2])),
            (f"difference [{scale.unit}]", lambda row: signed((row[1] - row[2]) / scale.factor)),
            (
                "difference",
                lambda row: f"{signed(100.0 * (row[1] - row[2]) / row[2])} %" if row[2] else NOT_APPLICABLE,
            ),
        ],
    )


def sample_rows(experiment: Experiment, target: str) -> pd.DataFrame:
    """Test rows of the first seed that has a record: one drawn by seed from each equal stratum of the error.

    Strata make sure that good and bad predictions both show; nobody picks.
    """
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    if not runs or target in runs[0].record.unsupported:
        return pd.DataFrame()
    rows = runs[0].predictions
    actual, predicted = rows[actual_column(target)], rows[predicted_column(target)]
    rows = rows.assign(actual=actual, predicted=predicted, error_pct=100.0 * (predicted - actual) / actual)
    order = rows["error_pct"].abs().sort_values(kind="stable").index.to_numpy()
    generator = np.random.default_rng(experiment.report.sample_seed)
    strata = np.array_split(order, min(experiment.report.samples, len(order)))
    return rows.loc[[int(generator.choice(stratum)) for stratum in strata]]


def sample_seed(experiment: Experiment) -> str:
    """Whose predictions the samples are, in words."""
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    return f"split seed {runs[0].record.seed}" if runs else "no record yet"


def sample_table(experiment: Experiment, target: Target) -> str:
    """Sample predictions from the best stratum of the error to the worst."""
    rows = sample_rows(experiment, target.name)
    if rows.empty:
        return experiment.absent(experiment.report.predictor, target.name)
    scale, grades = choose_scale(rows["actual"], target.unit), experiment.report.grades
    numbered = rows.assign(sample=range(1, len(rows) + 1)).to_dict("records")
    return table(
        numbered,
        [
            ("sample", lambda row: str(row["sample"])),
            ("network", lambda row: escape(str(row["architecture"]))),
            ("stage styles", lambda row: escape(str(row["family"]))),
            ("batch size", lambda row: str(row["batch_size"])),
            (f"predicted [{scale.unit}]", lambda row: scale.show(float(row["predicted"]))),
            (f"measured [{scale.unit}]", lambda row: scale.show(float(row["actual"]))),
            (
                f"error [{scale.unit}]",
                lambda row: signed(float(row["predicted"] - row["actual"]) / scale.factor),
            ),
            ("error", lambda row: f"{signed(float(row['error_pct']))} %"),
            ("grade", lambda row: grades.word(abs(float(row["error_pct"])))),
        ],
        align="lllrrrrrl",
    )
