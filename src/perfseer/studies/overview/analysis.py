"""A closer look at the analysed predictor's test rows: counts, groups, comparison, samples, noise."""

import numpy as np
import pandas as pd

from perfseer.evaluation.breakdowns import by_batch_size, by_quartile, by_style, grouped_errors
from perfseer.evaluation.predictions import actual_column, predicted_column
from perfseer.reporting.floors import FLOOR, floor_cell, multiple
from perfseer.reporting.tables import escape, markdown_table
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
from perfseer.studies.results import Results
from perfseer.targets import TARGETS, Target

GROUPINGS = ("stage style", "batch size", "quarter by FLOPs")


def count_table(results: Results) -> str:
    """How many test rows are how far off, per label, over all seeds."""
    experiment = results.experiment
    first, second, third = experiment.report.error_bounds_pct
    lines = []
    for target in TARGETS:
        errors = results.errors(experiment.report.predictor, experiment.headline, target.name).abs()
        if errors.empty:
            lines.append([target.title, *[_absent(results, target)] * 5])
            continue
        shares = ((errors < first), (errors < second), (errors > third))
        lines.append(
            [
                target.title,
                count(len(errors)),
                *(f"{count(int(mask.sum()))} ({percent(100.0 * float(mask.mean()))})" for mask in shares),
                percent(float(errors.median())),
            ]
        )
    header = [
        "label",
        "test rows, all seeds",
        f"error below {first:g} %",
        f"below {second:g} %",
        f"above {third:g} %",
        "median error",
    ]
    return markdown_table(header, lines)


def _absent(results: Results, target: Target) -> str:
    experiment = results.experiment
    supported = results.supports(experiment.report.predictor, experiment.headline, target.name)
    return MISSING if supported else NOT_APPLICABLE


def group_of(experiment: Experiment, table: pd.DataFrame, grouping: str) -> "pd.Series[str]":
    """Group of each row of a predictions table; by stage style a row counts in each of its styles."""
    if grouping == "stage style":
        return by_style(table)
    if grouping == "batch size":
        return by_batch_size(table)
    flops = experiment.rows.set_index("configuration")["flops"]
    return by_quartile(table["configuration"].map(flops))


def group_errors(results: Results, predictor: str, target: str, grouping: str) -> pd.DataFrame:
    """Errors by group on the headline split, all seeds (`breakdowns.grouped_errors`); may be empty."""
    experiment = results.experiment
    errors = results.errors(predictor, experiment.headline, target)
    if errors.empty:
        return pd.DataFrame(columns=["group", "n", "mape_pct", "median_pct", "bias_pct"])
    table = results.predictions(predictor, experiment.headline)
    return grouped_errors(errors, group_of(experiment, table, grouping))


def group_table(results: Results, grouping: str) -> str:
    """MAPE of the analysed and the reference predictor by group, for both times."""
    report = results.experiment.report
    header, columns = [grouping, "test rows, all seeds"], []
    for target in ("train_time_ms", "infer_time_ms"):
        for predictor in dict.fromkeys((report.predictor, report.reference)):
            columns.append(group_errors(results, predictor, target, grouping).set_index("group"))
            header.append(f"{predictor}, {target} [%]")
    groups = list(dict.fromkeys(group for column in columns for group in column.index))
    if not groups:
        return MISSING
    lines = []
    for group in groups:
        sizes = [int(column.loc[group, "n"]) for column in columns if group in column.index]
        cells = [
            number(float(column.loc[group, "mape_pct"])) if group in column.index else MISSING
            for column in columns
        ]
        lines.append([escape(str(group)), count(max(sizes)), *cells])
    return markdown_table(header, lines)


def noise_table(results: Results) -> str:
    """Prediction error beside the uncertainty of the measured value it is compared with, and the floor."""
    experiment = results.experiment
    widths = measurement_intervals(experiment.rows)
    lines = []
    for target in TARGETS:
        errors = results.errors(experiment.report.predictor, experiment.headline, target.name).abs()
        if errors.empty or not (target.name in widths or target.name in experiment.floors):
            continue
        half, inside = "–", "–"
        if target.name in widths:
            half = f"± {percent(float(np.median(widths[target.name])))}"
            inside = share_text(*_inside_interval(results, target))
        floor = floor_cell(experiment.floors, target.name)
        again = multiple(float(errors.mean()), experiment.floors, target.name)
        lines.append([target.title, half, percent(float(errors.median())), inside, floor, again])
    if not lines:
        return f"{MISSING}: no label has predictions and a measurement interval or a noise floor."
    header = [
        "label",
        "measurement, median half width",
        "prediction, median error",
        "predictions inside the measurement's interval, of rows that have one",
        f"{FLOOR} [%]",
        "MAPE of all test rows, in floors",
    ]
    return markdown_table(header, lines)


def _inside_interval(results: Results, target: Target) -> tuple[int, int]:
    """Predictions inside their measurement's interval, and the number of test rows that have one."""
    experiment = results.experiment
    table = results.predictions(experiment.report.predictor, experiment.headline)
    rows = experiment.rows.set_index("configuration").loc[table["configuration"]]
    predicted = table[predicted_column(target.name)].to_numpy()
    low = rows[f"{target.phase}_time_ci_low_ms"].to_numpy(dtype=np.float64)
    high = rows[f"{target.phase}_time_ci_high_ms"].to_numpy(dtype=np.float64)
    known = np.isfinite(low) & np.isfinite(high)
    return int((known & (predicted >= low) & (predicted <= high)).sum()), int(known.sum())


def comparison_tables(results: Results) -> dict[str, str]:
    """Per label: mean, median and standard deviation of predicted, measured and their difference."""
    experiment = results.experiment
    table = results.predictions(experiment.report.predictor, experiment.headline)
    tables = {}
    for target in TARGETS:
        if table.empty or predicted_column(target.name) not in table.columns:
            tables[target.title] = _absent(results, target)
            continue
        tables[target.title] = _comparison(table, target)
    return tables


def _comparison(table: pd.DataFrame, target: Target) -> str:
    predicted, actual = table[predicted_column(target.name)], table[actual_column(target.name)]
    scale = choose_scale(actual, target.unit)
    lines = []
    statistics = (
        ("mean", predicted.mean(), actual.mean()),
        ("median", predicted.median(), actual.median()),
        ("standard deviation", predicted.std(ddof=0), actual.std(ddof=0)),
    )
    for name, ours, theirs in statistics:
        difference = signed((ours - theirs) / scale.factor)
        relative = f"{signed(100.0 * (ours - theirs) / theirs)} %" if theirs else NOT_APPLICABLE
        lines.append([name, scale.show(ours), scale.show(theirs), difference, relative])
    header = [
        "statistic",
        f"predicted [{scale.unit}]",
        f"measured [{scale.unit}]",
        f"difference [{scale.unit}]",
        "difference",
    ]
    return markdown_table(header, lines)


def sample_rows(results: Results, target: str) -> pd.DataFrame:
    """Test rows of the first seed that has a record: one drawn by seed from each equal stratum of the error.

    Strata make sure that good and bad predictions both show; nobody picks.
    """
    experiment = results.experiment
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    if not runs or target in runs[0].record.unsupported:
        return pd.DataFrame()
    table = runs[0].predictions
    actual, predicted = table[actual_column(target)], table[predicted_column(target)]
    table = table.assign(
        actual=actual,
        predicted=predicted,
        error_pct=100.0 * (predicted - actual) / actual,
        seed=runs[0].record.seed,
    )
    order = table["error_pct"].abs().sort_values(kind="stable").index.to_numpy()
    generator = np.random.default_rng(experiment.report.sample_seed)
    strata = np.array_split(order, min(experiment.report.samples, len(order)))
    return table.loc[[int(generator.choice(stratum)) for stratum in strata]]


def sample_table(results: Results, target: Target) -> str:
    """Sample predictions from the best stratum of the error to the worst."""
    rows = sample_rows(results, target.name)
    if rows.empty:
        return _absent(results, target)
    scale = choose_scale(rows["actual"], target.unit)
    grades = results.experiment.report.grades
    lines = [
        [
            str(position),
            escape(f"{row['architecture']}"),
            escape(str(row["family"])),
            str(row["batch_size"]),
            scale.show(float(row["predicted"])),
            scale.show(float(row["actual"])),
            signed(float(row["predicted"] - row["actual"]) / scale.factor),
            f"{signed(float(row['error_pct']))} %",
            grades.word(abs(float(row["error_pct"]))),
        ]
        for position, row in enumerate(rows.to_dict("records"), start=1)
    ]
    header = [
        "sample",
        "network",
        "stage styles",
        "batch size",
        f"predicted [{scale.unit}]",
        f"measured [{scale.unit}]",
        f"error [{scale.unit}]",
        "error",
        "grade",
    ]
    return markdown_table(header, lines, align="lllrrrrrl")
