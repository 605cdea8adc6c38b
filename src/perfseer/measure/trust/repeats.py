"""Some configurations of a table measured again, later, in other processes and orders: its noise.

`evaluation.noise` makes the noise floor of every label from them.
"""

import math
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from perfseer.digests import digest
from perfseer.errors import require
from perfseer.measure.collector import configurations_of
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Collection, Logbook, Session, Task, measure_all
from perfseer.measure.settings import PROTOCOL_VERSION, Protocol
from perfseer.measure.tally import Tally
from perfseer.measure.trust.origin import origin_of
from perfseer.measure.trust.settings import RepeatSettings


def remeasure(
    table: pd.DataFrame,
    settings: RepeatSettings,
    logbook: Logbook,
    *,
    time_budget_s: float = math.inf,
) -> Collection:
    """Measure a share of a table's configurations again, by the table's protocol, where it was measured.

    Every repetition starts a measuring process of its own and goes through the configurations in an order of
    its own, so that nothing but the configuration is shared with the first measurement. The same call again
    measures nothing.

    Args:
        table: measurement table of `collect`.
        settings: how many configurations, and how often.
        logbook: where the journal is, and whom to tell.
        time_budget_s: measuring seconds of all repeats, resumed runs included.

    Returns:
        The table of repeats: one row per configuration and repetition; ``order`` is the position in the order
        of measuring, running on over the repetitions.

    Raises:
        PerfseerError: the table does not say where and how it was measured, or was measured elsewhere; and
            as `session.open_session`, likewise InterruptError.
    """
    require(time_budget_s > 0, f"the time budget is {time_budget_s:g} s, expected more than 0")
    origin, drawn = origin_of(table), draw(table, settings)
    tally = Tally(time_budget_s, len(drawn) * settings.times)
    facts = {
        "what": "repeats",
        "protocol": asdict(origin.protocol),
        "protocol_version": PROTOCOL_VERSION,
    }
    with origin.reopened(logbook, tally, facts) as session:
        rows: list[dict[str, Any]] = []
        for repetition in range(settings.times):
            tasks = repetition_tasks(drawn, repetition, settings.seed, origin.protocol)
            if repetition > 0 and _anything_to_measure(tasks, session):
                origin.require_here(session.worker.environment())  # starts a process of its own
            rows += measure_all(tasks, session)
        return session.collection(rows)


def draw(table: pd.DataFrame, settings: RepeatSettings) -> list[Configuration]:
    """The configurations to measure again, by their order in the table.

    Systematic sampling: every k-th finished row from a random start. Each is drawn with the same probability,
    and early and late rows are there in proportion, whatever drifted in between.

    Args:
        table: measurement table with at least one finished row.
        settings: share, least number and seed.
    """
    finished = configurations_of(table[table["status"] == "ok"].sort_values("order", kind="stable"))
    n = len(finished)
    wanted = min(max(round(settings.share * n), settings.at_least), n)
    start = int(digest([settings.seed, "first repeat"], 8), 16) / 16**8
    return [finished[int((start + position) * n / wanted)] for position in range(wanted)]


def repetition_tasks(
    drawn: list[Configuration], repetition: int, seed: int, protocol: Protocol
) -> list[Task]:
    """The tasks of one repetition, shuffled; see `remeasure` for their ``order``.

    Args:
        drawn: the configurations.
        repetition: from 0.
        seed: of the shuffling.
        protocol: of the table.
    """
    shuffled = sorted(drawn, key=lambda one: digest([seed, repetition, one.id], 64))
    return [
        Task(digest([one.id, "repetition", repetition], 16), replace(one, order=position), protocol)
        for position, one in enumerate(shuffled, start=repetition * len(drawn))
    ]


def _anything_to_measure(tasks: list[Task], session: Session) -> bool:
    return not session.tally.done and any(task.id not in session.journal.records for task in tasks)
