"""What machines read: metrics.json for ``dvc metrics`` and CSV tables for ``dvc plots``."""

import json
from pathlib import Path

import pandas as pd

from perfseer.data.files import atomic
from perfseer.evaluation.predictions import actual_column, predicted_column, predicted_targets
from perfseer.reporting.profile import n_refused
from perfseer.reporting.results import Results
from perfseer.targets import TARGET_NAMES

# In metrics.json; all six labels are in the report and in mape_by_predictor.csv.
SHOWN = {"train_time": "train_time_ms", "infer_time": "infer_time_ms"}


def metrics(results: Results) -> dict[str, float | int]:
    """Flat figures of the headline split, the unit at the end of each key; missing results are absent."""
    experiment = results.experiment
    found: dict[str, float | int] = {
        "configurations": len(experiment.rows),
        "refused_configurations": n_refused(experiment),
        "missing_records": len(results.missing()),
    }
    for predictor in experiment.predictors:
        for name, target in SHOWN.items():
            value = results.mape(predictor, experiment.headline, target)
            if value is not None:
                found[f"{predictor}_{name}_mape_pct"] = round(value.mean, 4)
        mean = results.interval(results.mean_mape_by_seed(predictor, experiment.headline))
        if mean is not None:
            found[f"{predictor}_mean_mape_pct"] = round(mean.mean, 4)
    return found


def write_metrics(path: Path, results: Results) -> None:
    """Write metrics.json, keys in the order of params.yaml's predictors."""
    with atomic(path) as temporary:
        text = json.dumps(metrics(results), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_plots(folder: Path, results: Results) -> list[Path]:
    """Write the tables behind the figures as CSV.

    Returns:
        mape_by_predictor.csv (split, predictor, label, seed, mape_pct), predicted_vs_measured.csv (predictor,
        label, seed, measured, predicted; headline split), learning_curves.csv (predictor, label, seed, epoch,
        train_loss, valid_loss; headline split).
    """
    tables = {
        "mape_by_predictor": _mape_rows(results),
        "predicted_vs_measured": _prediction_rows(results),
        "learning_curves": _history_rows(results),
    }
    written = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        written.append(path)
    return written


def _mape_rows(results: Results) -> pd.DataFrame:
    experiment = results.experiment
    rows = [
        (split, predictor, target, seed, value)
        for split in experiment.splits
        for predictor in experiment.predictors
        for target in TARGET_NAMES
        for seed, value in results.by_seed(predictor, split, target, "mape_pct").items()
    ]
    return pd.DataFrame(rows, columns=["split", "predictor", "label", "seed", "mape_pct"])


def _prediction_rows(results: Results) -> pd.DataFrame:
    parts = [pd.DataFrame(columns=["predictor", "label", "seed", "measured", "predicted"])]
    for predictor in results.experiment.predictors:
        table = results.predictions(predictor, results.experiment.headline)
        for target in predicted_targets(table):
            parts.append(
                pd.DataFrame(
                    {
                        "predictor": predictor,
                        "label": target,
                        "seed": table["seed"],
                        "measured": table[actual_column(target)],
                        "predicted": table[predicted_column(target)],
                    }
                )
            )
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _history_rows(results: Results) -> pd.DataFrame:
    columns = ["predictor", "label", "seed", "epoch", "train_loss", "valid_loss"]
    parts = [
        run.history.assign(predictor=predictor, label=run.history["target"], seed=run.record.seed)[columns]
        for predictor in results.experiment.predictors
        for run in results.experiment.runs_of(predictor, results.experiment.headline)
        if len(run.history)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
