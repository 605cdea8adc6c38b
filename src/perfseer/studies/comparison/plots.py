"""The numbers behind comparison.md as tables for ``dvc plots`` and for people's own analyses."""

from itertools import product

import pandas as pd

from perfseer.studies.accuracy import metric_columns
from perfseer.studies.comparison.failures import Groups
from perfseer.studies.comparison.pairs import Pairs
from perfseer.studies.experiment import Experiment
from perfseer.targets import TIMES


def plot_tables(experiment: Experiment, pairs: Pairs, groups: Groups) -> dict[str, pd.DataFrame]:
    """File stem → table.

    Returns:
        comparison_mape (predictor, MAPE over both times on the headline split), comparison_accuracy (split,
        predictor, label, seed and every metric of the report), comparison_pairs (label, first, second,
        difference of MAPE [points] with its interval, p-values, difference over seeds with its half width,
        verdict), comparison_groups (predictor, label, grouping, group, n, mape_pct).
    """
    return {
        "comparison_mape": mape_rows(experiment),
        "comparison_accuracy": accuracy_rows(experiment),
        "comparison_pairs": pair_rows(pairs),
        "comparison_groups": group_rows(groups),
    }


# Attribute of a pair → column, where they differ.
_RENAMED = {"target": "label", "mean": "difference_points", "low": "low_points", "high": "high_points"}
_OVER_SEEDS = {"seeds_difference_points": "mean", "seeds_half_width_points": "half_width"}


def pair_rows(pairs: Pairs) -> pd.DataFrame:
    """One row per pair of predictors that have rows of a label in common."""
    rows = [
        vars(pair) | {column: getattr(pair.seeds, name, None) for column, name in _OVER_SEEDS.items()}
        for pair in pairs.once()
    ]
    names = ("target", "first", "second", "mean", "low", "high", "p_value", "p_holm", "networks", "rows")
    return pd.DataFrame(rows, columns=[*names, *_OVER_SEEDS, "verdict"]).rename(columns=_RENAMED)


def mape_rows(experiment: Experiment) -> pd.DataFrame:
    """One row per predictor that has records: ``mape_pct`` over both times, headline split."""
    times = [target.name for target in TIMES]
    by_seed = {name: experiment.mean_mape(name, experiment.headline, times) for name in experiment.predictors}
    rows = [(name, sum(values.values()) / len(values)) for name, values in by_seed.items() if values]
    return pd.DataFrame(rows, columns=["predictor", "mape_pct"])


def accuracy_rows(experiment: Experiment) -> pd.DataFrame:
    """One row per split, predictor, label and seed that has a record; metrics as recorded."""
    metrics = tuple(metric_columns(experiment))
    rows = []
    for split, predictor in product(experiment.splits, experiment.predictors):
        for record in (run.record for run in experiment.runs_of(predictor, split)):
            for target in record.metrics:
                by_seed = (experiment.values(predictor, split, target, metric) for metric in metrics)
                found = (values.get(record.seed) for values in by_seed)
                rows.append((split, predictor, target, record.seed, *found))
    return pd.DataFrame(rows, columns=["split", "predictor", "label", "seed", *metrics])


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
