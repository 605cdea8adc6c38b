"""The answer to one question: what one model costs at one batch size, in one phase, on one target."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from perfseer.blame import printable
from perfseer.forecast.parts import (
    Coverage,
    Estimate,
    Explanation,
    MemoryFit,
    Metric,
    ModelInput,
    Notice,
    Part,
    Provenance,
    Target,
)
from perfseer.targets import Phase


class _Row(Part):
    """What stands in the list of answers."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready mapping with the keys of the versioned schema (docs/predicting.md)."""
        mapping: dict[str, Any] = _adapter().dump_python(self, mode="json", by_alias=True)
        return mapping


@dataclass(frozen=True)
class Prediction(_Row):
    """What one model costs at one batch size, in one phase, on one target.

    Attributes:
        input: the model and what it is fed.
        phase: ``infer`` (forward) or ``train`` (forward, loss, backward, optimiser step).
        target: None where the predictor does not say what it was trained on.
        estimates: those quantities the predictor knows.
        memory_fit: None where the target's memory, or the configuration's, is not known.
        coverage: what of the model is new to the predictor.
        warnings: notes and warnings, in this order of importance: target, operators, ranges, memory.
        provenance: what answered.
        explanation: None unless asked for.
    """

    input: ModelInput
    phase: Phase
    target: Target | None
    estimates: Annotated[tuple[Estimate, ...], Field(alias="predictions")]
    memory_fit: MemoryFit | None
    coverage: Coverage
    warnings: tuple[Notice, ...]
    provenance: Provenance
    explanation: Explanation | None = None
    status: Literal["ok"] = "ok"

    @property
    def model(self) -> str:
        """Reference, file or class name of the model."""
        return self.input.model

    @property
    def batch_size(self) -> int:
        """Samples in the batch."""
        return self.input.batch_size

    @property
    def time(self) -> Estimate | None:
        """Time of one iteration [ms]; None where the predictor has none."""
        return self._metric("time")

    @property
    def memory(self) -> Estimate | None:
        """Peak memory [MiB]; None where nothing says."""
        return self._metric("memory")

    @property
    def utilisation(self) -> Estimate | None:
        """Mean utilisation [%]; None where the predictor has none."""
        return self._metric("utilisation")

    @property
    def doubtful(self) -> bool:
        """Whether there are warnings, beyond notes."""
        return any(notice.level == "warning" for notice in self.warnings)

    def __str__(self) -> str:
        where = "the device it was trained on" if self.target is None else self.target.key
        words = {"infer": "inference", "train": "training"}[self.phase]
        known = ", ".join(f"{estimate.metric} {estimate}" for estimate in self.estimates)
        text = f"{self.model}, batch {self.batch_size}, {words} on {where}: {known}"
        doubts = sum(notice.level == "warning" for notice in self.warnings)
        return f"{text}; {doubts} warning{'s' * (doubts > 1)}" if doubts else text

    def _metric(self, metric: Metric) -> Estimate | None:
        return next((estimate for estimate in self.estimates if estimate.metric == metric), None)


@dataclass(frozen=True)
class Failure(_Row):
    """Why there is no answer.

    Attributes:
        model: what was asked about.
        batch_size: None where the model failed whatever the batch size.
        phase: None where it failed whatever the phase.
        error: what was given, what was expected and what to do.
    """

    model: str
    error: str
    batch_size: int | None = None
    phase: Phase | None = None
    status: Literal["error"] = "error"

    def __post_init__(self) -> None:
        for name in ("model", "error"):  # the bytes of a file's name may be no text
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.model}: {self.error}"


Answer = Prediction | Failure


@cache
def _adapter() -> TypeAdapter[Any]:
    """Pydantic's view of answers, built once."""
    return TypeAdapter(Answer)
