"""What the study is about: BRP-NAS on its own ground, other people's latencies."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="nasbench201",
    title="BRP-NAS on its own ground",
    tables=("nasbench201_accuracy",),
    figures={"nasbench201_shares": "Share of cells within each tolerance"},
)
ABOUT = Study(
    document=DOCUMENT,
    ledger="nasbench201/ledger.parquet",
    place="reports/nasbench201",
    shows_predictors=True,
)
