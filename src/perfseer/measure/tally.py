"""The tally of a run: rows by status, measuring seconds against the budget, and where they went."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """How far a run is; counts rows of the table, measured now or earlier.

    Attributes:
        budget_s: measuring seconds the table may take; infinite without a budget.
        limit: rows it may have, or None.
        used_s: measuring seconds of the rows so far.
        statuses: rows by status.
        fresh: rows measured by this run.
        fresh_s: measuring seconds of those.
        seconds: where the measuring seconds went: by phase and step, and the rest.
        foreign_cores: per phase measured, the cores other processes kept busy meanwhile.
    """

    budget_s: float = math.inf
    limit: int | None = None
    used_s: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    fresh: int = 0
    fresh_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    foreign_cores: list[float] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows so far."""
        return sum(self.statuses.values())

    @property
    def done(self) -> bool:
        """Whether the budget or the limit is used up."""
        return self.used_s >= self.budget_s or (self.limit is not None and self.rows >= self.limit)

    def add(self, record: Mapping[str, Any], *, fresh: bool) -> None:
        """Count one row."""
        self.used_s += record["measured_s"]
        self.statuses[record["status"]] = self.statuses.get(record["status"], 0) + 1
        for name, seconds in record["seconds"].items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        found = [phase.get("foreign_cores") for phase in record["phases"].values()]
        self.foreign_cores += [cores for cores in found if cores is not None]
        if fresh:
            self.fresh += 1
            self.fresh_s += record["measured_s"]
