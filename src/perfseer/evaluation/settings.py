"""Settings of the evaluation (section ``evaluation`` of params.yaml)."""

from typing import Annotated

from pydantic import Field

from perfseer.validation import Strict

Percentage = Annotated[float, Field(gt=0, le=100)]


class EvaluationSettings(Strict):
    """What is computed from predictions.

    Attributes:
        confidence: of the intervals over seeds, a share such as 0.95.
        within_pct: tolerances x of "share of predictions within x % of the measurement" (METHODS 1.4).
    """

    confidence: Annotated[float, Field(gt=0, lt=1)]
    within_pct: Annotated[tuple[Percentage, ...], Field(min_length=1)]
