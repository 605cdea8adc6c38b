"""What a report consists of: the files the workflow waits for, and what each figure shows.

Imports nothing heavy, so that the workflow can read it. Networks add ``learning_curves_<predictor>.svg``.
"""

from collections.abc import Iterable

DOCUMENTS: tuple[str, ...] = ("perfseer.md", "perfseer.html", "metrics.json")
TABLES: tuple[str, ...] = ("mape_by_predictor", "predicted_vs_measured", "learning_curves")
FIGURES: dict[str, str] = {
    "label_distributions": "Distribution of the six labels",
    "search_space": "Search space beside the paper's",
    "graph": "One network as the predictors see it",
    "mape_by_predictor": "MAPE of every predictor",
    "error_by_style": "Error by stage style",
    "error_by_batch_size": "Error by batch size",
}


def figure_titles(predictors: Iterable[str]) -> dict[str, str]:
    """File stem → title of every figure that is always drawn."""
    scatter = {f"predicted_vs_measured_{name}": f"Predicted against measured: {name}" for name in predictors}
    return FIGURES | scatter
