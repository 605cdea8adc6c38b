"""Errors that others published for GPUs their predictors never trained on: no labels, so no comparison."""

from dataclasses import dataclass

from perfseer.reporting.tables import Column, table


@dataclass(frozen=True)
class PublishedError:
    """A mean error as its authors give it.

    Attributes:
        predictor: and where the figure stands.
        phase: of a step, or both.
        device: that was left out.
        error_pct: mean absolute percentage error [%].
        roofline_pct: of their roofline on the same rows [%]; None where they give none.
    """

    predictor: str
    phase: str
    device: str
    error_pct: float
    roofline_pct: float | None = None


_NEUSIGHT = "NeuSight (ASPLOS 2025), table of its repository"
PUBLISHED: tuple[PublishedError, ...] = (
    PublishedError(_NEUSIGHT, "inference", "H100", 6.1, 32.9),
    PublishedError(_NEUSIGHT, "inference", "L4", 14.6, 48.6),
    PublishedError(_NEUSIGHT, "training", "H100", 6.6),
    PublishedError(_NEUSIGHT, "training", "A100 80 GB", 7.6),
    PublishedError("Habitat (ATC 2021), abstract", "training", "several, mean", 11.8),
)


def published_table() -> str:
    """All of them."""
    columns: list[Column[PublishedError]] = [
        ("predictor", lambda row: row.predictor),
        ("phase", lambda row: row.phase),
        ("GPU left out", lambda row: row.device),
        ("error [%]", lambda row: f"{row.error_pct:g}"),
        ("its roofline [%]", lambda row: "–" if row.roofline_pct is None else f"{row.roofline_pct:g}"),
    ]
    return table(PUBLISHED, columns, "lll")
