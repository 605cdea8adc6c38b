"""What the study is about: how the labels were measured, and how far to trust them."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="measurement",
    title="How the labels were measured, and how far to trust them",
    tables=(
        *("measurement_floors", "measurement_repeats", "measurement_protocol"),
        "measurement_violations",
    ),
    figures={
        "measurement_precision": "Precision of single measurements",
        "measurement_machine": "Speed of the machine over the run",
        "measurement_protocol": "Short protocol against long",
        "measurement_repeats": "Differences of repeated measurements",
    },
)
ABOUT = Study(
    document=DOCUMENT,
    by_default=True,
    reads=("results/measurements",),
)
