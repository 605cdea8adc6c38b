"""The `trust` section of params.yaml as plain dataclasses, like `measure.settings`."""

from dataclasses import dataclass
from typing import ClassVar

from perfseer.settings import Section


@dataclass(frozen=True)
class RepeatSettings(Section):
    """Which configurations are measured again, for the noise floor.

    Attributes:
        share: of the finished configurations of the table.
        at_least: configurations, where the share is fewer.
        times: how often each is measured again, each time in another order and in a fresh process.
        seed: of the draw and of the orders.
    """

    share: float
    at_least: int
    times: int
    seed: int

    def __post_init__(self) -> None:
        self.check("share", 0 < self.share <= 1, "above 0, at most 1")
        self.check("at_least", 2 <= self.at_least <= 100_000, "2 to 100000")
        self.check("times", 1 <= self.times <= 100, "1 to 100")
        self.check("seed", 0 <= self.seed < 2**31, "0 to 2^31 - 1")


@dataclass(frozen=True)
class ProtocolStudySettings(Section):
    """The protocol of `collect` against a long one on the same configurations.

    Attributes:
        configurations: how many.
        warmup_s: seconds of warm-up per phase; the paper: 30.
        count_s: seconds counted per phase; the paper: 30.
        seed: of the draw and of the orders.
    """

    configurations: int
    warmup_s: float
    count_s: float
    seed: int

    def __post_init__(self) -> None:
        self.check("configurations", 2 <= self.configurations <= 10_000, "2 to 10000")
        self.check("warmup_s", 0 < self.warmup_s <= 600, "above 0, at most 600 seconds")
        self.check("count_s", 0 < self.count_s <= 600, "above 0, at most 600 seconds")
        self.check("seed", 0 <= self.seed < 2**31, "0 to 2^31 - 1")


@dataclass(frozen=True)
class SanitySettings(Section):
    """How far a finished table may stray before a rule calls it a violation.

    Attributes:
        time_slack: share by which a label may break an order (time when the batch grows, training against
            inference) before that counts; measurements are noisy.
        drift: share by which the machine's speed may change over a run.
    """

    time_slack: float
    drift: float

    def __post_init__(self) -> None:
        self.check("time_slack", 0 <= self.time_slack <= 1, "0 to 1")
        self.check("drift", 0 < self.drift <= 1, "above 0, at most 1")


@dataclass(frozen=True)
class TrustSettings(Section):
    """The `trust` section of params.yaml.

    Attributes:
        repeats: what is measured again.
        protocol_study: what is measured for long.
        sanity: thresholds of the rules.
    """

    section: ClassVar[str] = "trust"

    repeats: RepeatSettings
    protocol_study: ProtocolStudySettings
    sanity: SanitySettings
