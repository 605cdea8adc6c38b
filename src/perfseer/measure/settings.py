"""What is measured and how: the `collect` section of params.yaml as plain dataclasses.

The measuring path runs on machines without pydantic, so the checks live in ``__post_init__``; where pydantic
is installed it validates the same classes (``__pydantic_config__``).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from perfseer.settings import Section

# Raise it when a label changes its meaning: journals and tables of different versions never mix.
PROTOCOL_VERSION = 2

# Bounds that a protocol without early ends and without iterations set apart lies on.
MAX_ITERATIONS = 100_000
MAX_PROBE_SLACK = 10.0

DeviceKind = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "amp-fp16", "bf16"]
MemoryFormat = Literal["nchw", "nhwc"]
Mode = Literal["eager", "compiled"]


@dataclass(frozen=True)
class Protocol(Section):
    """How one phase of one configuration is measured (docs/measurement.md).

    Attributes:
        warmup_s: seconds that pass, at least, before an iteration counts.
        warmup_iterations: iterations that pass, at least, before one counts.
        warmup_drift: warm-up also lasts until the medians of its two latest groups of iterations differ by at
            most this share; 1 leaves that out.
        warmup_budget_s: seconds after which warm-up ends in any case.
        probe_slack: an iteration is set apart and does not count while the machine is slower than its full
            speed by more than this share (cpu; `measure.pace`).
        ci_width: counting stops once the confidence interval of the median is at most this share of it.
        confidence: of that interval.
        min_iterations: counted before the interval is looked at.
        max_iterations: counting stops here in any case.
        phase_budget_s: seconds of counting after which it stops in any case.
        timeout_s: seconds after which a configuration, both phases together, is given up.
    """

    section: ClassVar[str] = "collect.protocol"

    warmup_s: float
    warmup_iterations: int
    warmup_drift: float
    warmup_budget_s: float
    probe_slack: float
    ci_width: float
    confidence: float
    min_iterations: int
    max_iterations: int
    phase_budget_s: float
    timeout_s: float

    def __post_init__(self) -> None:
        self.check("warmup_s", 0 <= self.warmup_s <= 600, "0 to 600 seconds")
        self.check("warmup_iterations", 1 <= self.warmup_iterations <= 10_000, "1 to 10000")
        self.check("warmup_drift", 0 < self.warmup_drift <= 1, "above 0, at most 1")
        self.check(
            "warmup_budget_s",
            self.warmup_s <= self.warmup_budget_s <= 3600,
            f"warmup_s ({self.warmup_s:g}) to 3600 seconds",
        )
        self.check("probe_slack", 0 < self.probe_slack <= MAX_PROBE_SLACK, "above 0, at most 10")
        self.check("ci_width", 0 < self.ci_width <= 1, "above 0, at most 1")
        self.check("confidence", 0.5 <= self.confidence < 1, "0.5 to below 1")
        self.check("min_iterations", 2 <= self.min_iterations <= MAX_ITERATIONS, "2 to 100000")
        # The widest interval order statistics give, minimum to maximum, covers 1 - 2 / 2^n.
        self.check(
            "min_iterations",
            1 - 0.5 ** (self.min_iterations - 1) >= self.confidence,
            f"so many that their range covers the median with confidence {self.confidence}",
        )
        self.check(
            "max_iterations",
            self.min_iterations <= self.max_iterations <= MAX_ITERATIONS,
            f"min_iterations ({self.min_iterations}) to 100000",
        )
        self.check("phase_budget_s", 0 < self.phase_budget_s <= 3600, "above 0, at most 3600")
        least = self.warmup_budget_s + self.phase_budget_s
        self.check(
            "timeout_s",
            least < self.timeout_s <= 86_400,
            f"above warmup_budget_s + phase_budget_s ({least:g}), at most 86400",
        )


@dataclass(frozen=True)
class CollectSettings(Section):
    """The `collect` section of params.yaml.

    Attributes:
        device: which meter, ``cpu`` or ``cuda``.
        precision: ``fp32``, ``tf32`` (cuda), ``amp-fp16`` (autocast, cuda), ``bf16`` (weights, activations).
        memory_format: ``nchw`` (contiguous) or ``nhwc`` (channels last).
        mode: ``eager``, or ``compiled`` by `torch.compile`.
        batch_sizes: the batch sizes a configuration may have, samples.
        batches_per_architecture: how many of them each architecture is measured at.
        time_budget_s: measuring seconds of the whole table, resumed runs included.
        threads: intra-operator threads, cpu only; at most all cores but one.
        protocol: how one phase is measured.
    """

    section: ClassVar[str] = "collect"

    device: DeviceKind
    precision: Precision
    memory_format: MemoryFormat
    mode: Mode
    batch_sizes: tuple[int, ...]
    batches_per_architecture: int
    time_budget_s: float
    threads: int
    protocol: Protocol

    def __post_init__(self) -> None:
        self.check("device", self.device in get_args(DeviceKind), "cpu, cuda")
        precisions = get_args(Precision) if self.device == "cuda" else ("fp32", "bf16")
        self.check("precision", self.precision in precisions, f"{', '.join(precisions)} ({self.device})")
        self.check("memory_format", self.memory_format in get_args(MemoryFormat), "nchw, nhwc")
        self.check("mode", self.mode in get_args(Mode), "eager, compiled")
        sizes = self.batch_sizes
        self.check(
            "batch_sizes",
            len(sizes) > 0 and len(set(sizes)) == len(sizes) and all(1 <= size <= 65_536 for size in sizes),
            "distinct sizes from 1 to 65536, at least one",
        )
        self.check(
            "batches_per_architecture",
            1 <= self.batches_per_architecture <= len(sizes),
            f"1 to the number of batch sizes ({len(sizes)})",
        )
        self.check("time_budget_s", self.time_budget_s > 0, "above 0 seconds")
        self.check("threads", 1 <= self.threads <= 1024, "1 to 1024")
