"""The collector: walk the plan of the search space until the time budget is used up, and make the table."""

from dataclasses import asdict, fields

import pandas as pd

from perfseer.measure.fitting import device_memory_bytes
from perfseer.measure.plan import Configuration, plan
from perfseer.measure.session import Collection, Logbook, Task, measure_all, open_session
from perfseer.measure.settings import PROTOCOL_VERSION, CollectSettings
from perfseer.measure.tally import Tally
from perfseer.zoo.space import SearchSpace


def collect(
    space: SearchSpace,
    settings: CollectSettings,
    logbook: Logbook,
    *,
    limit: int | None = None,
    skip: frozenset[str] = frozenset(),
) -> Collection:
    """Measure configurations in the plan's order until the time budget is used up.

    The budget counts the measuring seconds of every row of the table, whenever it was measured. The table is
    therefore a function of journal, plan and budget: the same call again measures nothing and gives the same
    rows, a larger budget goes on where this one ended.

    Args:
        space: networks to draw from.
        settings: device, batch sizes, budget and protocol.
        logbook: where the journal is, and whom to tell.
        limit: rows at most.
        skip: ids of configurations to leave out.

    Raises:
        PerfseerError: and InterruptError, as `session.open_session`.
    """
    tally = Tally(settings.time_budget_s, limit)
    facts = {
        "protocol": asdict(settings.protocol),
        "protocol_version": PROTOCOL_VERSION,
        "precision": settings.precision,
        "memory_format": settings.memory_format,
        "mode": settings.mode,
        "zoo": asdict(space),
    }
    with open_session(settings.device, settings.threads, logbook, tally, facts) as session:
        planned = plan(space, settings, device_memory_bytes(session.environment))
        named = ((one.id, one) for one in planned)
        tasks = (Task(name, one, settings.protocol) for name, one in named if name not in skip)
        return session.collection(measure_all(tasks, session))


def configurations_of(table: pd.DataFrame) -> list[Configuration]:
    """The configurations of a measurement table, one per row."""
    names = [field.name for field in fields(Configuration)]
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return [Configuration(*row) for row in rows]


def configuration_ids(table: pd.DataFrame) -> frozenset[str]:
    """Ids of the configurations of a measurement table, to skip them elsewhere."""
    return frozenset(configuration.id for configuration in configurations_of(table))
