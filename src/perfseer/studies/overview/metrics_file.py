"""What machines read: metrics.json for ``dvc metrics`` and CSV tables for ``dvc plots``."""

import json
from pathlib import Path

import pandas as pd

from perfseer.data.files import atomic
from perfseer.evaluation.predictions import actual_column, predicted_column, predicted_targets
from perfseer.studies.experiment import Experiment
from perfseer.studies.profile import n_refused

# In metrics.json; all six labels are in comparison.md and comparison_accuracy.csv.
SHOWN = {"train_time": "train_time_ms", "infer_time": "infer_time_ms"}


def metrics(experiment: Experiment) -> dict[str, float | int]:
    """Flat figures of the headline split, the unit at the end of each key; missing results are absent.

    The detailed predictors have MAPE of both times and of all labels, the others the mean over both times.
    Both times have their noise floor, where it was measured.
    """
    found: dict[str, float | int] = {
        "configurations": len(experiment.rows),
        "refused_configurations": n_refused(experiment),
        "missing_records": experiment.n_missing,
    }
    for name, target in SHOWN.items():
        if target in experiment.floors:
            found[f"noise_floor_{name}_mape_pct"] = round(experiment.floors[target].mape_pct, 4)
    for predictor in experiment.predictors:
        found |= (_detailed if predictor in experiment.detailed else _brief)(experiment, predictor)
    return found


def _detailed(experiment: Experiment, predictor: str) -> dict[str, float]:
    headline = experiment.headline
    values = {name: experiment.mape(predictor, headline, target) for name, target in SHOWN.items()}
    values["mean"] = experiment.ledger.interval(experiment.mean_mape(predictor, headline))
    return {f"{predictor}_{name}_mape_pct": round(x.mean, 4) for name, x in values.items() if x is not None}


def _brief(experiment: Experiment, predictor: str) -> dict[str, float]:
    headline, targets = experiment.headline, tuple(SHOWN.values())
    both = experiment.ledger.interval(experiment.mean_mape(predictor, headline, targets))
    return {} if both is None else {f"{predictor}_times_mape_pct": round(both.mean, 4)}


def write_metrics(path: Path, experiment: Experiment) -> None:
    """Write metrics.json, keys in the order of params.yaml's predictors."""
    with atomic(path) as temporary:
        text = json.dumps(metrics(experiment), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def plot_tables(experiment: Experiment) -> dict[str, pd.DataFrame]:
    """The tables behind the main document's figures, detailed predictors on the headline split.

    Returns:
        predicted_vs_measured (predictor, label, seed, measured, predicted) and learning_curves (predictor,
        label, seed, epoch, train_loss, valid_loss).
    """
    return {
        "predicted_vs_measured": _prediction_rows(experiment),
        "learning_curves": _history_rows(experiment),
    }


def _prediction_rows(experiment: Experiment) -> pd.DataFrame:
    parts = [pd.DataFrame(columns=["predictor", "label", "seed", "measured", "predicted"])]
    for predictor in experiment.detailed:
        table = experiment.predictions(predictor)
        for target in predicted_targets(table):
            part = {"measured": table[actual_column(target)], "predicted": table[predicted_column(target)]}
            parts.append(
                pd.DataFrame({"predictor": predictor, "label": target, "seed": table["seed"], **part})
            )
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _history_rows(experiment: Experiment) -> pd.DataFrame:
    columns = ["predictor", "label", "seed", "epoch", "train_loss", "valid_loss"]
    parts = [
        run.history.assign(predictor=predictor, label=run.history["target"], seed=run.record.seed)[columns]
        for predictor in experiment.detailed
        for run in experiment.runs_of(predictor, experiment.headline)
        if len(run.history)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
