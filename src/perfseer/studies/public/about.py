"""What the study is about: published results of real models."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="public",
    title="Published results of real models, on groups and devices never seen",
    tables=("public_accuracy",),
    figures={
        "public_errors": "MAPE of every predictor beside the goals",
        "public_families": "MAPE of families never seen",
        "public_sizes": "MAPE against size and batch",
        "public_coverage": "Share of measurements inside their intervals",
        "public_memory": "Forecast against observed shares of what fits",
        "public_unseen": "Devices never seen, after so many measured models",
    },
    folder="public",
)
ABOUT = Study(
    document=DOCUMENT,
    ledger="public/ledger.parquet",
    shows_predictors=True,
)
