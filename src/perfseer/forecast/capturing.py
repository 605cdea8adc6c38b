"""The graph that each phase is predicted from, and why there is none."""

from collections.abc import Sequence
from dataclasses import replace

from perfseer.errors import PerfseerError
from perfseer.forecast.models import Captured, OpenModel
from perfseer.forecast.parts import Notice
from perfseer.forecast.prediction import Failure
from perfseer.targets import Phase


def captured_for(
    opened: OpenModel,
    batch_size: int | None,
    phases: Sequence[Phase],
    precision: str,
    *,
    forward_suffices: bool,
) -> tuple[Captured | None, list[Failure]]:
    """The graph that answers all phases that have no failure, and those failures; a failure may be of all.

    Inference too is predicted from the graph of a training step, as predictors learn it, unless the forward
    pass is enough for them or the model cannot be trained.

    Args:
        opened: the model.
        batch_size: samples; None for the model's own.
        phases: those asked about.
        precision: see `OpenModel.captured`.
        forward_suffices: whether the predictor reads nothing of the backward pass to predict inference.
    """
    backward = "train" in phases or not forward_suffices
    try:
        return opened.captured(batch_size, backward=backward, precision=precision), []
    except PerfseerError as error:
        failure = Failure(opened.name, str(error), batch_size)
    if not backward or "infer" not in phases:
        return None, [failure]
    try:
        captured = opened.captured(batch_size, backward=False, precision=precision)
    except PerfseerError:
        return None, [failure]
    if not forward_suffices:
        text = "the model cannot be trained as it is: inference is predicted from its forward pass alone"
        notice = Notice("warning", "backward_missing", text)
        captured = replace(captured, notices=(*captured.notices, notice))
    return captured, [replace(failure, phase="train")] if "train" in phases else []
