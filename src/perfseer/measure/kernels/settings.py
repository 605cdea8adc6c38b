"""Section ``kernels`` of params.yaml: which kernels are measured and how (METHODS 2.1)."""

from dataclasses import dataclass
from typing import ClassVar

from perfseer.measure.settings import Protocol
from perfseer.settings import Section, check_bounds, described, number


@dataclass(frozen=True, kw_only=True)
class FusionSettings(Section):
    """The networks of the fusion test, and when two operators count as one kernel.

    Attributes:
        alpha: a pair fuses when running both together saves more than this share of the faster one.
        repetitions: of A, B and AB in turn.
    """

    alpha: float = described("least saving, a share of the faster operator's time, that counts as fused")
    repetitions: int = number("times A, B and AB are timed in turn", ge=6, le=10_000)
    side: int = number("height and width of the test's tensors [pixels]", ge=4, le=1024)
    channels_in: int = number("channels that go into the first operator", ge=4, le=4096, multiple_of=4)
    channels_out: int = number("channels that a convolution makes", ge=4, le=4096, multiple_of=4)
    kernel: int = number("side of convolution kernels", ge=1, le=15)

    def __post_init__(self) -> None:
        check_bounds(self)
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}, expected above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class SampleSizes(Section):
    """Kernels drawn in the first round, by type."""

    conv: int = number("convolutions", ge=1, le=10**6)
    dwconv: int = number("depth-wise convolutions", ge=1, le=10**6)
    other: int = number("of every other type", ge=1, le=10**6)

    def __post_init__(self) -> None:
        check_bounds(self)

    def of(self, name: str) -> int:
        """Of the kernels called ``name``, which share their first operator's number."""
        first = name.partition("+")[0]
        return {"conv": self.conv, "dwconv": self.dwconv}.get(first, self.other)


@dataclass(frozen=True, kw_only=True)
class KernelSettings(Section):
    """Section ``kernels``; device, formats, batch sizes and threads are those of section ``collect``.

    Attributes:
        sizes: kernels of the first round by type; the time budget cuts all in proportion.
        fusion: which operators run as one kernel.
        protocol: how one kernel is timed.
    """

    section: ClassVar[str] = "kernels"

    seed: int = number("seed of the networks kernels are drawn from, and of the draws", ge=0, le=2**31 - 1)
    time_budget_s: float = described("measuring seconds, fusion tests and resumed runs included")
    architectures: int = number("networks whose kernels give the distribution", ge=1, le=100_000)
    sizes: SampleSizes
    prior_share: float = described(
        "share drawn from the marginal distributions; the rest are frequent kernels"
    )
    rounds: int = number("rounds of adaptive sampling", ge=0, le=100)
    rounds_share: float = described("share of the measuring time kept for those rounds")
    error_pct: float = described("a held-out kernel predicted worse than this gets neighbours")
    neighbours: int = number("kernels drawn around it", ge=1, le=1000)
    channel_scale: tuple[float, float] = described("its channels are scaled by a factor from this range")
    copies: int = number("independent copies of a small kernel per iteration, at most", ge=1, le=64)
    fusion: FusionSettings
    protocol: Protocol

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.time_budget_s > 0:
            raise ValueError(f"time_budget_s is {self.time_budget_s}, expected above 0 seconds")
        for name in ("prior_share", "rounds_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 to 1")
        if not self.error_pct > 0:
            raise ValueError(f"error_pct is {self.error_pct}, expected above 0")
        low, high = self.channel_scale
        if not 0 < low <= high:
            raise ValueError(f"channel_scale is {self.channel_scale}, expected two ascending numbers above 0")
