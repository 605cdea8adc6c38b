"""The short protocol of a table against a long one, the paper's kind, on some of its configurations.

`evaluation.noise.protocol_differences` compares the two.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.digests import digest
from perfseer.errors import require
from perfseer.measure.collector import Collection, configurations_of
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Task, measure_all, open_session, table_of
from perfseer.measure.settings import MAX_ITERATIONS, MAX_PROBE_SLACK, PROTOCOL_VERSION, Protocol
from perfseer.measure.tally import Tally
from perfseer.measure.trust.origin import Origin, origin_of
from perfseer.measure.trust.settings import ProtocolStudySettings


def study_protocol(
    table: pd.DataFrame,
    settings: ProtocolStudySettings,
    folder: Path,
    *,
    retry_failed: bool = False,
    report: Callable[[Tally], None],
    note: Callable[[str], None],
) -> Collection:
    """Measure some of a table's configurations by its own protocol and by a long one, in turn.

    Both measurements of a configuration follow each other in one measuring process, the short one first for
    every other configuration, so that neither has the better machine. One configuration takes about
    2 x (warmup_s + count_s) seconds. The same call again measures nothing.

    Args:
        table: measurement table of `collect`.
        settings: how many configurations, and how long.
        folder: where journals live.
        retry_failed: measure again what did not end ok.
        report: called after every row.
        note: told in words what had to be repaired.

    Returns:
        The study's table: a short and a long row per configuration, told apart by ``protocol``; ``order`` is
        the position in the order of measuring.

    Raises:
        PerfseerError: the table does not say where and how it was measured, or was measured elsewhere, or has
            fewer than two architectures; or the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    origin, chosen = origin_of(table), choose(table, settings)
    long = long_protocol(origin.protocol, settings)
    tasks = study_tasks(chosen, origin.protocol, long)
    tally = Tally(limit=2 * len(chosen))
    place = (origin.device, origin.threads, folder)
    with open_session(
        *place, lambda here: _header(origin, long, here), tally, report=report, note=note
    ) as session:
        rows = measure_all(tasks, session, retry_failed=retry_failed)
        return Collection(table_of(rows, session.environment), tally, session.journal.path)


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


def _header(origin: Origin, long: Protocol, environment: Mapping[str, Any]) -> dict[str, Any]:
    """What a record depends on besides its configuration; refuses another machine."""
    origin.require_here(environment)
    return {
        "what": "protocol study",
        "environment": dict(environment),
        "short": asdict(origin.protocol),
        "long": asdict(long),
        "protocol_version": PROTOCOL_VERSION,
    }
