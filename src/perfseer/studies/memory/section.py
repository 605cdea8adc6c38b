"""The report's section on memory: methods on measured memory, and forecasts of what fits."""

from pathlib import Path

from matplotlib.figure import Figure

from perfseer.evaluation.records import read_as
from perfseer.reporting.document import fill
from perfseer.reporting.style import BLUE, GREY, ORANGE, panels, say_missing
from perfseer.studies.memory import tables
from perfseer.studies.memory.study import CONFIDENCE, STUDY_FILE, WRITTEN_BY, MemoryStudy

TEMPLATE = Path(__file__).with_name("section.md.j2")


def load(folder: Path) -> MemoryStudy | None:
    """The study in a folder, or None where it was never run.

    Raises:
        PerfseerError: it is damaged or of another version.
    """
    path = folder / STUDY_FILE
    return read_as(path, MemoryStudy, WRITTEN_BY) if path.is_file() else None


def section(study: MemoryStudy | None) -> str:
    """The section as Markdown; empty where there is no study."""
    return fill(TEMPLATE, study=study, tables=tables, confidence=CONFIDENCE) if study else ""


def figure(study: MemoryStudy | None) -> Figure:
    """Observed against forecast shares; the diagonal is what calibrated probabilities give."""
    drawn, (axis,) = panels(1, 1, width=4.2, height=3.6)
    if study is None:
        say_missing(axis)
        return drawn
    axis.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    for judged, colour in zip(study.dwelt_on, (BLUE, ORANGE), strict=False):
        forecast = [100 * part.forecast for part in judged.reliability]
        observed = [100 * part.observed for part in judged.reliability]
        axis.plot(forecast, observed, marker="o", markersize=3, color=colour, label=judged.margin)
    axis.set_xlabel("forecast probability of fitting [%]")
    axis.set_ylabel("share that ran [%]")
    axis.legend(fontsize=7)
    return drawn
