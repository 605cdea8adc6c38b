"""Two clocks: a step on a GPU ends when both the device and the host that starts its kernels are done.

Predictors learn what a device needs, from steps that keep it busy. Where kernels are short the host decides.
`perfseer.predictors.parts.platforms.host` says what is known of hosts; here it meets a prediction:

- On a platform nobody measured the host is any host: the estimate is the later of both clocks, and its
  interval goes over from the device's to the host's as the host gets likelier to be the later.
- Where the least time per launch that was measured on a platform is on record, its host is one that fast.
- Where labels of a platform are all there is, the host is in them: nothing is below `FASTEST_US` a launch.

All three depend on the batch size through the device's time alone, so that more samples never take less.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.forecast.card import HostBound
from perfseer.forecast.parts import Notice
from perfseer.predictors.parts.platforms.host import HostClock, host_prior, least_us_per_launch
from perfseer.targets import Phase

# Microseconds for a launch that no host is known to stay below: a bare launch by the driver takes as long.
FASTEST_US = 5.0


@dataclass(frozen=True)
class Host:
    """What is known of the host of a platform.

    Attributes:
        clock: its time for a launch.
        learnt: whether measured steps of the platform contain it, and nothing else tells of it.
    """

    clock: HostClock
    learnt: bool = False


@dataclass(frozen=True)
class Timed:
    """Values of labels once the host has had its say.

    Attributes:
        labels: label, or label and end of its interval, to value.
        notices: a warning where the host decides.
    """

    labels: Mapping[Hashable, float]
    notices: tuple[Notice, ...] = ()


def host_of(platform: Platform | None, phase: Phase, *, trained: bool, least_us: float | None) -> Host | None:
    """The host of a platform in a phase; None where no host starts kernels for a device, or nobody says.

    Args:
        platform: asked about.
        phase: inference or training.
        trained: whether a predictor learnt from measurements of it in that phase.
        least_us: least time per launch measured there; None where it is not on record.
    """
    if platform is None or platform.device_kind != "cuda":
        return None
    prior = host_prior(platform.mode, phase)
    if not trained:
        return Host(prior)
    return Host(prior, learnt=True) if least_us is None else Host(prior.at_most(least_us))


def two_clocks(
    values: Mapping[Hashable, float], started: int, phase: Phase, host: Host | None, confidence: float
) -> Timed:
    """Values of labels in which the time of a phase is the later of device and host.

    Args:
        values: as predicted for the device.
        started: kernels of a step (`predictors.parts.platforms.host.launches`).
        phase: whose time.
        host: of the platform; None where no host starts kernels for a device.
        confidence: of intervals, in (0, 1).
    """
    label = f"{phase}_time_ms"
    device_ms = values.get(label)
    if host is None or device_ms is None or not device_ms > 0:
        return Timed(values)
    low_ms, middle_ms, high_ms = (
        host.clock.ms(started, quantile) for quantile in ((1 - confidence) / 2, 0.5, (1 + confidence) / 2)
    )
    ends = (values.get(f"{label}_low", math.nan), values.get(f"{label}_high", math.nan))
    if host.learnt:
        least_ms = started * FASTEST_US / 1e3
        if device_ms >= least_ms:
            return Timed(values)
        found, middle_ms = (least_ms, *_reaching(ends, least_ms, high_ms)), least_ms
    else:
        behind = host.clock.slower_than(device_ms, started)
        found = (
            host.clock.later_ms(device_ms, started),
            *_between(ends, (low_ms, high_ms), behind),
        )
    value, low, high = found
    updated = {**values, label: value}
    if not math.isnan(low):
        updated |= {f"{label}_low": min(low, value), f"{label}_high": max(high, value)}
    bound = device_ms < middle_ms
    return Timed(updated, (_notice(started, phase, device_ms, middle_ms, high_ms),) if bound else ())


def host_bounds(measured: Dataset) -> tuple[HostBound, ...]:
    """What measured steps say about the hosts of their platforms, for a card."""
    found = least_us_per_launch(measured).items()
    return tuple(
        HostBound(target=target, phase=phase, us_per_launch=float(f"{us:.4g}"))
        for (target, phase), us in sorted(found)
    )


def _reaching(ends: tuple[float, float], low_ms: float, high_ms: float) -> tuple[float, float]:
    """Ends of an interval, from ``low_ms`` on and up to ``high_ms`` at least; not a number without one."""
    return (ends[0], ends[1]) if math.isnan(ends[0]) else (max(ends[0], low_ms), max(ends[1], high_ms))


def _between(device: tuple[float, float], host: tuple[float, float], behind: float) -> tuple[float, float]:
    """Ends of the interval of the later of both.

    The lower end is no less than either's: what ends last ends after both. The upper end goes from the
    device's to the host's on the logarithmic scale with the probability that the host is behind: a device
    that is certainly done in time makes nothing uncertain, however little is known of it.
    """
    if math.isnan(device[0]):
        return device
    high = math.exp((1 - behind) * math.log(device[1]) + behind * math.log(host[1]))
    return max(device[0], host[0]), max(high, host[1])


def _notice(started: int, phase: Phase, device_ms: float, host_ms: float, high_ms: float) -> Notice:
    step = {"infer": "step", "train": "training step"}[phase]
    text = (
        f"starting the {started} kernels of a {step} takes a host {host_ms:.2g} ms, maybe {high_ms:.2g} ms, "
        f"and the device {device_ms:.2g} ms to run them: the answer is the host's time"
    )
    return Notice("warning", "launch_bound", text)
