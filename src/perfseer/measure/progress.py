"""How far a collection is, for people: a bar on a terminal, a line every ten seconds in a log."""

import math
import sys
import time
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from perfseer.measure.tally import Tally

LINE_EVERY_S = 10.0
# A bar that redraws itself all the time would take cpu time from what is being measured.
REDRAW_EVERY_S = 0.5
# An idle system uses a few hundredths of a core; beyond this, times are off by more than their intervals.
FOREIGN_CORES_LIMIT = 0.25


class Reporter(AbstractContextManager["Reporter"]):
    """Shows progress."""

    @abstractmethod
    def __call__(self, counts: Tally) -> None:
        """Show ``counts``."""


class Lines(Reporter):
    """One line at most every `LINE_EVERY_S` seconds, for logs."""

    def __init__(self, stream: TextIO, verb: str = "collect") -> None:
        self._stream = stream
        self._verb = verb
        self._next = time.monotonic() + LINE_EVERY_S

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""

    def __call__(self, counts: Tally) -> None:
        """Write a line if it is time for one."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY_S
            try:
                print(f"{self._verb}: {describe(counts)}", file=self._stream, flush=True)
            except OSError:
                self._next = math.inf  # nobody reads it any more (`| head`, a full disk): measuring goes on


class Bar(Reporter):
    """A progress bar, redrawn only between configurations."""

    def __init__(self, stream: TextIO) -> None:
        self._bar = Progress(
            TextColumn("measuring"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1.0)
        self._next = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, counts: Tally) -> None:
        """Redraw if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + REDRAW_EVERY_S
            self._bar.update(self._task, completed=share_done(counts), description=describe(counts))
            self._bar.refresh()


def reporter(verb: str = "collect") -> Reporter:
    """A bar where stderr is a terminal, lines that start with ``verb`` otherwise."""
    stream = sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream, verb)


def share_done(counts: Tally) -> float:
    """The share done, 0 to 1: of the budget or of the limit, whichever ends first."""
    of_limit = counts.rows / counts.limit if counts.limit else 0.0
    return min(max(counts.used_s / counts.budget_s, of_limit), 1.0)


def describe(counts: Tally) -> str:
    """For example ``120 configurations (2 failed), 61 of 210 s``."""
    failed = counts.rows - counts.statuses.get("ok", 0)
    rows = f"{counts.rows} configurations" + (f" ({failed} failed)" if failed else "")
    limit = f" of at most {counts.limit}" if counts.limit else ""
    budget = f" of {counts.budget_s:.0f}" if math.isfinite(counts.budget_s) else ""
    return f"{rows}{limit}, {counts.used_s:.0f}{budget} s"


def disturbance(counts: Tally) -> str:
    """A warning if other processes were busy while the table was measured, else nothing."""
    cores = sum(counts.foreign_cores) / max(len(counts.foreign_cores), 1)
    if cores < FOREIGN_CORES_LIMIT:
        return ""
    return (
        f"warning: other processes kept {cores:.1f} cores busy on average while this was measured, so times "
        "are too long and noisy; stop them and measure again with another --journal folder"
    )


def summary(counts: Tally) -> str:
    """One line at the end: configurations, failures, speed, and where the measuring time went."""
    statuses = ", ".join(f"{number} {status}" for status, number in sorted(counts.statuses.items()))
    per_minute = 60 * counts.rows / max(counts.used_s, 1e-9)
    shares = sorted(counts.seconds.items(), key=lambda item: -item[1])
    where = ", ".join(f"{name} {seconds / max(counts.used_s, 1e-9):.0%}" for name, seconds in shares)
    return (
        f"{counts.rows} configurations ({statuses}), {counts.fresh} of them measured now; "
        f"{counts.used_s:.1f} s of measuring, {per_minute:.0f} configurations per minute; time: {where}"
    )
