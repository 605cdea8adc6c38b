"""The short protocol of a table against a long one, the paper's kind, on some of its configurations.

`evaluation.noise.protocol_differences` compares the two.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from perfseer.digests import digest
from perfseer.errors import require
from perfseer.measure.collector import configurations_of
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Collection, Logbook, Task, measure_all
from perfseer.measure.settings import MAX_ITERATIONS, MAX_PROBE_SLACK, PROTOCOL_VERSION, Protocol
from perfseer.measure.tally import Tally
from perfseer.measure.trust.origin import origin_of
from perfseer.measure.trust.settings import ProtocolStudySettings


def study_protocol(
    table: pd.DataFrame,
    settings: ProtocolStudySettings,
    logbook: Logbook,
) -> Collection:
    """Measure some of a table's configurations by its own protocol and by a long one, in turn.

    Both measurements of a configuration follow each other in one measuring process, the short one first for
    every other configuration, so that neither has the better machine. One configuration takes about
    2 x (warmup_s + count_s) seconds. The same call again measures nothing.

    Args:
        table: measurement table of `collect`.
        settings: how many configurations, and how long.
        logbook: where the journal is, and whom to tell.

    Returns:
        The study's table: a short and a long row per configuration, told apart by ``protocol``; ``order`` is
        the position in the order of measuring.

    Raises:
        PerfseerError: the table does not say where and how it was measured, or was measured elsewhere, or has
            fewer than two architectures; and as `session.open_session`, likewise InterruptError.
    """
    origin, chosen = origin_of(table), choose(table, settings)
    long = long_protocol(origin.protocol, settings)
    tasks = study_tasks(chosen, origin.protocol, long)
    tally = Tally(limit=2 * len(chosen))
    facts = {
        "what": "protocol study",
        "short": asdict(origin.protocol),
        "long": asdict(long),
        "protocol_version": PROTOCOL_VERSION,
    }
    with origin.reopened(logbook, tally, facts) as session:
        return session.collection(measure_all(tasks, session))


def long_protocol(short: Protocol, settings: ProtocolStudySettings) -> Protocol:
    """Warm up for a fixed time, count for a fixed time: what the paper did (METHODS 1.1).

    Nothing ends early and no iteration is set apart, however slow: the least number of iterations is the
    largest there may be, so that only time ends the counting. (More of them than that, iterations under
    count_s / 100,000 seconds each, end it sooner.)

    Args:
        short: gives the confidence of intervals and the allowance for building the model.
        settings: seconds of warm-up and of counting, per phase.
    """
    return replace(
        short,
        warmup_s=settings.warmup_s,
        warmup_iterations=1,
        warmup_drift=1.0,
        warmup_budget_s=settings.warmup_s,
        probe_slack=MAX_PROBE_SLACK,
        min_iterations=MAX_ITERATIONS,
        max_iterations=MAX_ITERATIONS,
        phase_budget_s=settings.count_s,
        timeout_s=short.timeout_s + 2 * (settings.warmup_s + settings.count_s),
    )


def choose(table: pd.DataFrame, settings: ProtocolStudySettings) -> list[Configuration]:
    """Configurations from short to long, no two of one architecture, in the order to measure them.

    One row of every architecture is drawn; these are ordered by training time and cut into as many equal
    groups as there are configurations wanted; one is drawn from each.

    Args:
        table: measurement table.
        settings: how many, and the seed.

    Raises:
        PerfseerError: the table's finished rows are of fewer than two architectures.
    """

    def rank(what: str) -> pd.Series:
        names = [digest([settings.seed, what, one.id], 64) for one in configurations_of(finished)]
        return pd.Series(names, index=finished.index)

    finished = table[table["status"] == "ok"].reset_index(drop=True)
    finished = finished.assign(rank=rank("architecture")).sort_values("rank").drop_duplicates("architecture")
    require(
        len(finished) >= 2,
        f"the table has finished configurations of {len(finished)} architectures; a study of the protocol "
        "needs two at least, short and long ones",
    )
    finished = finished.sort_values(["train_time_ms", "rank"], ignore_index=True)
    groups = np.array_split(np.arange(len(finished)), min(settings.configurations, len(finished)))
    finished = finished.assign(rank=rank("group"))
    drawn = [finished.iloc[group].sort_values("rank").head(1) for group in groups]
    return configurations_of(pd.concat(drawn).sort_values("rank"))


def study_tasks(chosen: list[Configuration], short: Protocol, long: Protocol) -> Iterator[Task]:
    """A short and a long task per configuration, the short one first for every other configuration."""
    order = 0
    for position, configuration in enumerate(chosen):
        pair = [("short", short), ("long", long)]
        for name, protocol in pair if position % 2 == 0 else reversed(pair):
            yield Task(digest([configuration.id, name], 16), replace(configuration, order=order), protocol)
            order += 1
