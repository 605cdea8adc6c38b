"""Seconds that count: those in which this process could run, not those it was stopped, frozen or asleep."""

import time

# Whoever waits reads the clock at least this often ...
LOOK_EVERY_S = 1.0
# ... so a longer gap means that the process did not run: Ctrl-Z, a paused container, a suspended machine.
MOST_PER_LOOK_S = 2.0


class AwakeClock:
    """A stopwatch that stands still while this process does; unaffected by changes of the wall clock."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last = time.monotonic()

    def read(self) -> float:
        """Seconds since the construction, of any gap between two readings at most `MOST_PER_LOOK_S`."""
        now = time.monotonic()
        self._seconds += min(now - self._last, MOST_PER_LOOK_S)
        self._last = now
        return self._seconds


class Deadline:
    """The end of a time-out by an `AwakeClock`.

    Args:
        clock: what counts.
        seconds: from now on.
    """

    def __init__(self, clock: AwakeClock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.read() + seconds

    def look(self) -> float:
        """Seconds to wait before looking again, at most `LOOK_EVERY_S`; 0 when the time is up."""
        return min(max(self._end - self._clock.read(), 0.0), LOOK_EVERY_S)
