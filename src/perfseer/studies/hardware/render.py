"""hardware.md: what accelerators do per watt, dollar and byte, from the hardware database.

No date of rendering, host or absolute path, so that equal databases give equal bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfseer.reporting.document import Published, fill, publish
from perfseer.studies.hardware import conclusions, tables
from perfseer.studies.hardware.about import DOCUMENT
from perfseer.studies.hardware.figures import figure_makers
from perfseer.studies.hardware.loading import load
from perfseer.studies.hardware.prices import KINDS
from perfseer.studies.hardware.statistics import Statistics, statistics
from perfseer.studies.hardware.study import HardwareStudy

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write hardware.md, its HTML twin, figures and plot tables below ``out``.

    Args:
        parameters: raw mapping of params.yaml; section ``hardware``.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load`; or the folder cannot be written.
    """
    return render_study(load(parameters, results), out)


def render_study(study: HardwareStudy, out: Path) -> Published:
    """The document of a study that was read already.

    Raises:
        PerfseerError: the folder cannot be written.
    """
    found = statistics(study)
    return publish(
        DOCUMENT,
        markdown(study, found),
        out,
        figures=figure_makers(study, found),
        tables=found.tables(),
        missing=conclusions.absent_sources(study),
        insets=(tables.explorer(study).inset(),),
    )


def markdown(study: HardwareStudy, found: Statistics) -> str:
    """The document as Markdown."""
    return fill(PAGE, study=study, found=found, tables=tables, conclusions=conclusions, kinds=KINDS)
