"""Reading the study from the database: the one place where it touches `perfseer.hardware.queries`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfseer.studies.hardware.study import HardwareStudy


def load(parameters: Mapping[str, Any], results: Path) -> HardwareStudy:
    """The study of ``results/hardware/hardware.sqlite``.

    Raises:
        PerfseerError: there is no database, or it is not one of ours.
    """
    raise NotImplementedError("to be written on perfseer.hardware.queries")
