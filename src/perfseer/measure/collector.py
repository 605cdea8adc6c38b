"""The collector: walk the plan of the search space until the time budget is used up, and make the table."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.measure.fitting import device_memory_bytes
from perfseer.measure.plan import Configuration, plan
from perfseer.measure.session import Task, measure_all, open_session, table_of
from perfseer.measure.settings import PROTOCOL_VERSION, CollectSettings
from perfseer.measure.tally import Tally
from perfseer.zoo.space import SearchSpace


@dataclass(frozen=True)
class Collection:
    """A finished collection.

    Attributes:
        table: the measurement table.
        tally: its totals.
        journal: the file the records are in.
    """

    table: pd.DataFrame
    tally: Tally
    journal: Path


def journal_key(
    space: SearchSpace, settings: CollectSettings, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything a record depends on besides its configuration; the digest of it names the journal."""
    return {
        "environment": dict(environment),
        "protocol": asdict(settings.protocol),
        "protocol_version": PROTOCOL_VERSION,
        "precision": settings.precision,
        "memory_format": settings.memory_format,
        "mode": settings.mode,
        "zoo": asdict(space),
    }


def collect(
    space: SearchSpace,
    settings: CollectSettings,
    folder: Path,
    *,
    limit: int | None = None,
    skip: frozenset[str] = frozenset(),
    retry_failed: bool = False,
    report: Callable[[Tally], None],
    note: Callable[[str], None],
) -> Collection:
    """Measure configurations in the plan's order until the time budget is used up.

    The budget counts the measuring seconds of every row of the table, whenever it was measured. The table is
    therefore a function of journal, plan and budget: the same call again measures nothing and gives the same
    rows, a larger budget goes on where this one ended.

    Args:
        space: networks to draw from.
        settings: device, batch sizes, budget and protocol.
        folder: where journals live.
        limit: rows at most.
        skip: ids of configurations to leave out.
        retry_failed: measure rows again whose status is not ok.
        report: called after every row.
        note: told in words what had to be repaired.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    tally = Tally(settings.time_budget_s, limit)
    place = (settings.device, settings.threads, folder)
    with open_session(
        *place, lambda environment: journal_key(space, settings, environment), tally, report=report, note=note
    ) as session:
        planned = plan(space, settings, device_memory_bytes(session.environment))
        named = ((one.id, one) for one in planned)
        tasks = (Task(name, one, settings.protocol) for name, one in named if name not in skip)
        rows = measure_all(tasks, session, retry_failed=retry_failed)
        return Collection(table_of(rows, session.environment), tally, session.journal.path)


def configurations_of(table: pd.DataFrame) -> list[Configuration]:
    """The configurations of a measurement table, one per row."""
    names = [field.name for field in fields(Configuration)]
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return [Configuration(*row) for row in rows]


def configuration_ids(table: pd.DataFrame) -> frozenset[str]:
    """Ids of the configurations of a measurement table, to skip them elsewhere."""
    return frozenset(configuration.id for configuration in configurations_of(table))
