"""What the study is about: devices that a predictor never saw."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

DOCUMENT = Document(
    name="devices",
    title="Devices that a predictor never saw",
    tables=("devices_errors",),
    figures={
        "devices_predicted": "Predicted against measured, by device",
        "devices_batch": "Error against time per kernel",
        "devices_coverage": "Coverage against nominal confidence",
    },
)
ABOUT = Study(document=DOCUMENT)
