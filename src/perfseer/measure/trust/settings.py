"""The `trust` section of params.yaml as plain dataclasses, like `measure.settings`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from perfseer.settings import check, load_settings

_FORBID = {"extra": "forbid"}


@dataclass(frozen=True)
class RepeatSettings:
    """Which configurations are measured again, for the noise floor.

    Attributes:
        share: of the finished configurations of the table.
        at_least: configurations, where the share is fewer.
        times: how often each is measured again, each time in another order and in a fresh process.
        seed: of the draw and of the orders.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    share: float
    at_least: int
    times: int
    seed: int

    def __post_init__(self) -> None:
        check(0 < self.share <= 1, "share", self.share, "above 0, at most 1")
        check(2 <= self.at_least <= 100_000, "at_least", self.at_least, "2 to 100000")
        check(1 <= self.times <= 100, "times", self.times, "1 to 100")
        check(0 <= self.seed < 2**31, "seed", self.seed, "0 to 2^31 - 1")


@dataclass(frozen=True)
class ProtocolStudySettings:
    """The protocol of `collect` against a long one on the same configurations.

    Attributes:
        configurations: how many.
        warmup_s: seconds of warm-up per phase; the paper: 30.
        count_s: seconds counted per phase; the paper: 30.
        seed: of the draw and of the orders.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    configurations: int
    warmup_s: float
    count_s: float
    seed: int

    def __post_init__(self) -> None:
        check(2 <= self.configurations <= 10_000, "configurations", self.configurations, "2 to 10000")
        check(0 < self.warmup_s <= 600, "warmup_s", self.warmup_s, "above 0, at most 600 seconds")
        check(0 < self.count_s <= 600, "count_s", self.count_s, "above 0, at most 600 seconds")
        check(0 <= self.seed < 2**31, "seed", self.seed, "0 to 2^31 - 1")


@dataclass(frozen=True)
class SanitySettings:
    """How far a finished table may stray before a rule calls it a violation.

    Attributes:
        time_slack: share by which a label may break an order (time when the batch grows, training against
            inference) before that counts; measurements are noisy.
        drift: share by which the machine's speed may change over a run.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    time_slack: float
    drift: float

    def __post_init__(self) -> None:
        check(0 <= self.time_slack <= 1, "time_slack", self.time_slack, "0 to 1")
        check(0 < self.drift <= 1, "drift", self.drift, "above 0, at most 1")


@dataclass(frozen=True)
class TrustSettings:
    """The `trust` section of params.yaml.

    Attributes:
        repeats: what is measured again.
        protocol_study: what is measured for long.
        sanity: thresholds of the rules.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    repeats: RepeatSettings
    protocol_study: ProtocolStudySettings
    sanity: SanitySettings

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Build from the mapping ``trust``.

        Raises:
            PerfseerError: a key is unknown or missing, or a value ill-typed or out of range.
        """
        return load_settings(cls, mapping, "trust")
