"""The numbers behind comparison.md as tables for ``dvc plots`` and for people's own analyses."""

import pandas as pd

from perfseer.evaluation.records import RecordedMeasure
from perfseer.reporting.check import TIMES
from perfseer.studies.accuracy import metric_columns
from perfseer.studies.comparison.failures import Groups
from perfseer.studies.comparison.pairs import Pair, Pairs
from perfseer.studies.results import Results


def plot_tables(results: Results, pairs: Pairs, groups: Groups) -> dict[str, pd.DataFrame]:
    """File stem → table.

    Returns:
        comparison_mape (predictor, MAPE over both times on the headline split), comparison_accuracy (split,
        predictor, label, seed and every metric of the report), comparison_pairs (label, first, second,
        difference of MAPE [points] with its interval, p-values, difference over seeds with its half width,
        verdict), comparison_groups (predictor, label, grouping, group, n, mape_pct).
    """
    return {
        "comparison_mape": mape_rows(results),
        "comparison_accuracy": accuracy_rows(results),
        "comparison_pairs": pd.DataFrame([_pair_row(pair) for pair in pairs.once()], columns=_PAIR_COLUMNS),
        "comparison_groups": group_rows(groups),
    }


_PAIR_COLUMNS = [
    "label",
    "first",
    "second",
    "difference_points",
    "low_points",
    "high_points",
    "p_value",
    "p_holm",
    "networks",
    "rows",
    "seeds_difference_points",
    "seeds_half_width_points",
    "verdict",
]


def _pair_row(pair: Pair) -> tuple[object, ...]:
    seeds = (None, None) if pair.seeds is None else (pair.seeds.mean, pair.seeds.half_width)
    return (
        pair.target,
        pair.first,
        pair.second,
        pair.mean,
        pair.low,
        pair.high,
        pair.p_value,
        pair.p_holm,
        pair.networks,
        pair.rows,
        *seeds,
        pair.verdict,
    )


def mape_rows(results: Results) -> pd.DataFrame:
    """One row per predictor that has records: ``mape_pct`` over both times, headline split."""
    rows = []
    for name in results.experiment.predictors:
        values = results.mean_mape_by_seed(name, results.experiment.headline, TIMES)
        if values:
            rows.append((name, sum(values.values()) / len(values)))
    return pd.DataFrame(rows, columns=["predictor", "mape_pct"])


def accuracy_rows(results: Results) -> pd.DataFrame:
    """One row per split, predictor, label and seed that has a record; metrics as recorded."""
    metrics = tuple(metric_columns(results.experiment))
    rows = [
        (split, predictor, target, run.record.seed, *(_value(measures, metric) for metric in metrics))
        for split in results.experiment.splits
        for predictor in results.experiment.predictors
        for run in results.experiment.runs_of(predictor, split)
        for target, measures in run.record.metrics.items()
    ]
    return pd.DataFrame(rows, columns=["split", "predictor", "label", "seed", *metrics])


def _value(measures: dict[str, RecordedMeasure], metric: str) -> float | None:
    return measures[metric].value if metric in measures else None


def group_rows(groups: Groups) -> pd.DataFrame:
    """One row per predictor, label, grouping and group."""
    parts = [pd.DataFrame(columns=["predictor", "label", "grouping", "group", "n", "mape_pct"])]
    for (target, grouping), found in groups.items():
        long = (
            found.mape.rename_axis("group")
            .reset_index()
            .melt("group", var_name="predictor", value_name="mape_pct")
        )
        long = long.assign(label=target, grouping=grouping, group=long["group"].astype(str))
        long["n"] = long["group"].map({str(name): int(size) for name, size in found.sizes.items()})
        parts.append(long[list(parts[0].columns)])
    return pd.concat(parts[1:] or parts, ignore_index=True)
