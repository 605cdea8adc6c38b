"""What an answer is made of; field by field what ``perfseer predict`` writes as JSON (docs/predicting.md)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from perfseer.blame import printable
from perfseer.errors import require

Metric = Literal["time", "memory", "utilisation"]
Unit = Literal["ms", "MiB", "%"]
Level = Literal["note", "warning"]

# Names are stable: programs that read the JSON compare codes, people read messages.
CODES: tuple[str, ...] = (
    "input_assumed",
    "batch_unclear",
    "target_chosen",
    "target_not_trained",
    "phase_not_trained",
    "software_assumed",
    "cuda_graphs_assumed",
    "unknown_operators",
    "unseen_operators",
    "launch_bound",
    "outside_training_range",
    "batch_outside_training_range",
    "backward_missing",
    "backward_estimated",
    "file_note",
    "partly_counted",
    "parameters_not_fp32",
    "precision_estimated",
    "memory_not_measured",
    "memory_may_not_fit",
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(ge=0)]


class Part:
    """Part of an answer: what the schema does not name is refused, and no number is NaN or infinite."""

    __pydantic_config__ = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


@dataclass(frozen=True)
class Interval(Part):
    """Where the measured value will lie with the given confidence.

    Attributes:
        low: lower end, in the estimate's unit.
        high: upper end, in the estimate's unit.
        confidence: share of measured values meant to lie inside, 0 to 1.
    """

    low: Positive
    high: Positive
    confidence: Share

    def __post_init__(self) -> None:
        good = math.isfinite(self.low) and math.isfinite(self.high) and 0 < self.low <= self.high
        require(good, f"an interval from {self.low} to {self.high}, expected 0 < low <= high, both finite")


@dataclass(frozen=True)
class Estimate(Part):
    """One predicted quantity.

    Attributes:
        metric: ``time`` of one iteration, peak ``memory``, or mean ``utilisation``.
        value: the prediction, in ``unit``.
        unit: ms, MiB or %.
        interval: None where the predictor has none.
        held_out_mape_pct: mean error [%] of the predictor on models it never saw, on this target and in this
            phase; None where no record says.
    """

    metric: Metric
    value: Positive
    unit: Unit
    interval: Interval | None = None
    held_out_mape_pct: Percent | None = None

    def __post_init__(self) -> None:
        require(
            math.isfinite(self.value) and self.value > 0,
            f"a predicted {self.metric} of {self.value}, expected a positive finite number",
        )

    @property
    def low(self) -> float | None:
        """Lower end of the interval, in ``unit``; None without one."""
        return None if self.interval is None else self.interval.low

    @property
    def high(self) -> float | None:
        """Upper end of the interval, in ``unit``; None without one."""
        return None if self.interval is None else self.interval.high

    @property
    def confidence(self) -> float | None:
        """Confidence of the interval, 0 to 1; None without one."""
        return None if self.interval is None else self.interval.confidence

    def __str__(self) -> str:
        if self.interval is None:
            return f"{_digits(self.value)} {self.unit}"
        ends = f"{_digits(self.interval.low)} to {_digits(self.interval.high)}"
        return f"{_digits(self.value)} {self.unit} ({ends})"


@dataclass(frozen=True)
class Notice(Part):
    """Something to know about an answer.

    Attributes:
        level: ``warning`` if the answer may be worse for it, ``note`` if it only says what was assumed.
        code: one of `CODES`.
        message: a sentence for people.
    """

    level: Level
    code: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))
        require(self.code in CODES, f"no notice has the code {self.code!r}; there are {', '.join(CODES)}")


@dataclass(frozen=True)
class Target(Part):
    """The platform an answer is for; `perfseer.data.platforms.Platform` in plain words.

    Attributes:
        key: short name, as ``perfseer predictors show`` lists it.
        device: name of the device.
        device_kind: ``cpu`` or ``cuda``.
        precision: fp32, tf32, amp-fp16, …
        memory_format: ``nchw`` or ``nhwc``.
        mode: ``eager``, ``compiled`` or ``cuda-graphs``.
        software: framework and its build.
        trained_on: whether the predictor learnt from measurements of it.
    """

    key: str
    device: str
    device_kind: Literal["cpu", "cuda"]
    precision: str
    memory_format: str
    mode: str
    software: str
    trained_on: bool


@dataclass(frozen=True)
class MemoryFit(Part):
    """Whether the configuration fits into the target's memory.

    Attributes:
        probability: that it fits, 0 to 1.
        device_memory_mib: memory of the target [MiB], from its public specification.
    """

    probability: Share
    device_memory_mib: Positive


@dataclass(frozen=True)
class Outside(Part):
    """A graph feature outside the range of the training graphs; all three in the feature's own unit."""

    feature: str
    value: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Coverage(Part):
    """What of a model the predictor has not seen.

    Attributes:
        unknown_operators: operators outside the vocabulary and how often they are called.
        unknown_calls_share: their share of all operator calls, 0 to 1.
        unknown_bytes_share: their share of the forward bytes, 0 to 1.
        unknown_flops_share: their share of the forward FLOPs, 0 to 1; None where nobody can tell what some of
            them compute.
        unseen_operators: operators of the vocabulary that no training graph has, and their calls.
        outside: graph features outside the training range.
    """

    unknown_operators: Mapping[str, int]
    unknown_calls_share: Share
    unknown_bytes_share: Share
    unknown_flops_share: Share | None
    unseen_operators: Mapping[str, int]
    outside: tuple[Outside, ...]


@dataclass(frozen=True)
class ModelInput(Part):
    """What was asked about.

    Attributes:
        model: reference, file or class name.
        batch_size: samples.
        shapes: shape of every input with its batch dimension; empty for a graph that was captured before.
        types: element type of every input.
        nodes: operators of the captured graph.
        parameters: elements of all of them, frozen ones too.
        forward_flops: floating-point operations of the forward pass.
        forward_bytes: bytes the forward pass moves.
    """

    model: str
    batch_size: int
    shapes: tuple[tuple[int, ...], ...]
    types: tuple[str, ...]
    nodes: int
    parameters: int
    forward_flops: int
    forward_bytes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", printable(self.model))


@dataclass(frozen=True)
class OperatorShare(Part):
    """One kind of operator in an explanation.

    Attributes:
        operator: name in the vocabulary.
        nodes: how many there are.
        time_share: share of the predicted time, 0 to 1; None where the predictor cannot say.
        flops_share: share of the phase's FLOPs that were counted, 0 to 1; None for operators of which nobody
            can tell.
        bytes_share: share of the bytes the phase's operators move, 0 to 1.
    """

    operator: str
    nodes: int
    time_share: Share | None
    flops_share: Share | None
    bytes_share: Share


@dataclass(frozen=True)
class Explanation(Part):
    """Where the predicted time goes.

    Attributes:
        operators: kinds of operators, the most expensive first.
        widened: why the interval is wider than usual, a sentence each.
    """

    operators: tuple[OperatorShare, ...]
    widened: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance(Part):
    """What answered.

    Attributes:
        predictor: name of the algorithm.
        source: name or folder the predictor was loaded from.
        checkpoint_digest: of the files the predictor consists of.
        dataset_digest: of what it was trained on; None where no record says.
        commit: of the code it was trained with; None where no record says.
        perfseer_version: of the package that answered.
    """

    predictor: str
    source: str
    checkpoint_digest: str
    dataset_digest: str | None
    commit: str | None
    perfseer_version: str

    def __str__(self) -> str:
        parts = [f"predictor {self.predictor} ({self.source})", f"checkpoint {self.checkpoint_digest}"]
        parts.append(f"dataset {self.dataset_digest or 'not recorded'}")
        parts.append(f"commit {self.commit or 'not recorded'}")
        return ", ".join([*parts, f"perfseer {self.perfseer_version}"])


def _digits(value: float) -> str:
    """Three significant digits, without an exponent where people would not write one."""
    return f"{float(f'{value:.3g}'):,g}"
