"""What the study is about: every predictor on the same rows."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="comparison",
    title="Every predictor on the same rows",
    tables=("comparison_mape", "comparison_accuracy", "comparison_pairs", "comparison_groups"),
    figures={
        "comparison_mape": "MAPE of every predictor",
        "comparison_cost": "Error against cost",
        "comparison_pairs": "Which differences are shown",
        "comparison_groups": "Where each predictor fails",
    },
)
ABOUT = Study(
    document=DOCUMENT,
    ledger="ledger/comparison.parquet",
    by_default=True,
    reads=(
        *("results/models", "results/ensembles", "results/dataset", "results/graphs"),
        "results/measurements",
    ),
    shows_predictors=True,
)
