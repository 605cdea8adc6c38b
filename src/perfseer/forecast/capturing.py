"""The graph that each phase is predicted from, and why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from perfseer.errors import PerfseerError
from perfseer.forecast.models import Captured, OpenModel
from perfseer.forecast.parts import Notice
from perfseer.forecast.prediction import Failure
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.targets import Phase


@dataclass(frozen=True, eq=False)
class Seen:
    """A model as one phase sees it.

    Attributes:
        captured: what the phase is predicted from.
        forward: what inference of the same configuration is predicted from; training takes no less.
    """

    captured: Captured
    forward: PerfGraph


def captured_for(
    opened: OpenModel,
    batch_size: int | None,
    phases: Sequence[Phase],
    precision: str,
    *,
    forward_suffices: bool,
) -> tuple[dict[Phase, Seen], list[Failure]]:
    """The graphs of those phases that have one, and a failure for each other; a failure may be of all.

    Inference depends neither on which parameters are trained nor on what else is asked. Where the forward
    pass is not enough for a predictor it sees the graph of a training step of all parameters, as it has
    learned it, unless the model cannot be trained.

    Args:
        opened: the model.
        batch_size: samples; None for the model's own.
        phases: those asked about.
        precision: see `OpenModel.captured`.
        forward_suffices: whether the predictor reads nothing of the backward pass to predict inference.
    """
    how = _Capturing(opened, batch_size, precision)
    found: dict[Phase, Seen] = {}
    failures: list[Failure] = []
    for phase in phases:
        look = how.forward_alone if forward_suffices else how.as_learned
        try:
            found[phase] = how.training(forward_suffices) if phase == "train" else look()
        except PerfseerError as error:
            failures.append(Failure(opened.name, str(error), batch_size, phase))
    if len(failures) == len(phases) > 0:
        return {}, [replace(failures[0], phase=None)]
    return found, failures


class _Capturing:
    """Captures of one model at one batch size, each made once."""

    def __init__(self, opened: OpenModel, batch_size: int | None, precision: str) -> None:
        self._opened, self._batch_size, self._precision = opened, batch_size, precision
        self._whole: Captured | PerfseerError | None = None

    def forward_alone(self) -> Seen:
        captured = self._capture(backward=False)
        return Seen(captured, captured.graph)

    def as_learned(self) -> Seen:
        whole = self._step_of_all()
        if isinstance(whole, Captured):
            return Seen(whole, whole.graph)
        try:
            captured = self._capture(backward=False)
        except PerfseerError:
            raise whole from None
        text = "the model cannot be trained as it is: inference is predicted from its forward pass alone"
        notice = Notice("warning", "backward_missing", text)
        return Seen(replace(captured, notices=(*captured.notices, notice)), captured.graph)

    def training(self, forward_suffices: bool) -> Seen:
        if forward_suffices:
            captured = self._capture(backward=True)
            return Seen(captured, captured.graph.forward_only())
        whole = self._step_of_all()
        if isinstance(whole, PerfseerError):
            raise whole
        return Seen(self._capture(backward=True) if whole.thawed else whole, whole.graph)

    def _step_of_all(self) -> Captured | PerfseerError:
        """A training step of all parameters, frozen or not; why there is none."""
        if self._whole is None:
            try:
                self._whole = self._capture(backward=True, thaw=True)
            except PerfseerError as error:
                self._whole = error
        return self._whole

    def _capture(self, *, backward: bool, thaw: bool = False) -> Captured:
        return self._opened.captured(
            self._batch_size, backward=backward, precision=self._precision, thaw=thaw
        )
