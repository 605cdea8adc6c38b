"""What a deep-learning model will cost on a device, before it is run.

``perfseer.Predictor`` answers; `perfseer.forecast` holds what it takes and returns. Both are imported when
they are first asked for, so that the command line starts at once and measuring needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfseer.forecast.ask import Ask
    from perfseer.forecast.inputs import Feed
    from perfseer.forecast.prediction import Failure, Prediction
    from perfseer.forecast.predictor import Predictor
    from perfseer.measure.limits import Limits

__all__ = ["Ask", "Failure", "Feed", "Limits", "Prediction", "Predictor"]

_HOMES = {
    "Ask": "perfseer.forecast.ask",
    "Feed": "perfseer.forecast.inputs",
    "Limits": "perfseer.measure.limits",
    "Failure": "perfseer.forecast.prediction",
    "Prediction": "perfseer.forecast.prediction",
    "Predictor": "perfseer.forecast.predictor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
