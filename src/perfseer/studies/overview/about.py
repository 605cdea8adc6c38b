"""What the study is about: what was measured, and how well one predictor does."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="perfseer",
    title="What was measured, and how well it is predicted",
    tables=("predicted_vs_measured", "learning_curves"),
    figures={
        "label_distributions": "Distribution of the six labels",
        "search_space": "Search space beside the paper's",
        "graph": "One network as the predictors see it",
        "mape_by_predictor": "MAPE of the predictor and those it is held against",
        "error_by_style": "Error by stage style",
        "error_by_batch_size": "Error by batch size",
    },
    per_predictor={"predicted_vs_measured": "Predicted against measured"},
    others=("metrics.json",),
    prefixes=(
        *("label_distributions", "search_space", "graph", "mape_by_predictor", "error_by_"),
        *("predicted_vs_measured", "learning_curve"),
    ),
)
ABOUT = Study(
    document=DOCUMENT,
    by_default=True,
    reads=(
        *("results/models", "results/ensembles", "results/dataset", "results/graphs"),
        *("results/zoo", "results/measurements"),
    ),
)
