"""A check: one number of this experiment against one threshold of params.yaml (``report.judgement``)."""

from dataclasses import dataclass
from typing import Literal

Area = Literal["data", "measurement", "model", "training"]


@dataclass(frozen=True)
class Check:
    """One comparison of a number with a threshold.

    Attributes:
        question: what is asked.
        area: data and measurement belong to the improvement recommendations, model and training to the
            technical ones.
        found: the number with its unit, or why there is none.
        threshold: what it is compared with, in words.
        triggered: None where it could not be computed.
        advice: what follows when triggered.
    """

    question: str
    area: Area
    found: str
    threshold: str = ""
    triggered: bool | None = None
    advice: str = ""
