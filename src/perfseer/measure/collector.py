"""The collector: walk the plan, take what the journal has, have the rest measured, make the table."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError
from perfseer.measure.interrupts import Interrupts
from perfseer.measure.journal import Journal
from perfseer.measure.plan import Configuration, plan
from perfseer.measure.settings import PROTOCOL_VERSION, CollectSettings, Protocol
from perfseer.measure.table import COLUMNS, typed_table
from perfseer.measure.worker_process import WorkerProcess
from perfseer.targets import PHASES, Phase
from perfseer.zoo.space import SearchSpace

# So many errors in a row (not out-of-memory, not time-outs) mean that the installation is broken.
MAX_ERRORS_IN_A_ROW = 10
# Inference first: what it cannot do, training cannot either.
_ORDER: tuple[Phase, ...] = ("infer", "train")


@dataclass
class Progress:
    """How far a collection is; counts rows of the table, measured now or earlier.

    Attributes:
        budget_s: measuring seconds the table may take.
        limit: rows it may have, or None.
        used_s: measuring seconds of the rows so far.
        statuses: rows by status.
        fresh: rows measured by this run.
        fresh_s: measuring seconds of those.
        seconds: where the measuring seconds went: by phase and step, and the rest.
        foreign_cores: per phase measured, the cores other processes kept busy meanwhile.
    """

    budget_s: float
    limit: int | None
    used_s: float
    statuses: dict[str, int]
    fresh: int
    fresh_s: float
    seconds: dict[str, float]
    foreign_cores: list[float]

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


@dataclass(frozen=True)
class Collection:
    """A finished collection.

    Attributes:
        table: the measurement table.
        progress: its totals.
        journal: the file the records are in.
    """

    table: pd.DataFrame
    progress: Progress
    journal: Path


@dataclass(frozen=True)
class Task:
    """One configuration to measure in one way.

    Attributes:
        id: names its record in the journal.
        configuration: what is measured.
        protocol: how.
    """

    id: str
    configuration: Configuration
    protocol: Protocol


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
    report: Callable[[Progress], None],
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
        InterruptError: SIGINT or SIGTERM came; the journal holds everything finished before.
    """
    progress = Progress(settings.time_budget_s, limit, 0.0, {}, 0, 0.0, {}, [])
    with Interrupts() as interrupts, WorkerProcess(settings.device, settings.threads, interrupts) as worker:
        environment = worker.environment()
        header = journal_key(space, settings, environment)
        with Journal(folder, digest(header), header) as journal:
            for text in journal.notes:
                note(text)
            chosen = (item for item in plan(space, settings) if item.id not in skip)
            tasks = (Task(item.id, item, settings.protocol) for item in chosen)
            rows = carry_out(tasks, worker, journal, progress, interrupts, report, retry_failed=retry_failed)
            return Collection(table_of(rows, environment), progress, journal.path)


def carry_out(
    tasks: Iterable[Task],
    worker: WorkerProcess,
    journal: Journal,
    progress: Progress,
    interrupts: Interrupts,
    report: Callable[[Progress], None],
    *,
    retry_failed: bool = False,
) -> list[dict[str, Any]]:
    """Take what the journal has of ``tasks``, have the rest measured, in order, until ``progress`` is done.

    Args:
        tasks: may be without end.
        worker: measures.
        journal: gets every record before the next task starts.
        progress: counts every row; says when to stop.
        interrupts: looked at before every task.
        report: called after every row.
        retry_failed: measure again what did not end ok.

    Returns:
        Rows for `table_of`.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    rows: list[dict[str, Any]] = []
    recent: list[dict[str, Any]] = []
    for task in tasks:
        if progress.done:
            break
        interrupts.check()
        record = journal.records.get(task.id)
        fresh = record is None or (retry_failed and record["status"] != "ok")
        if record is None or fresh:
            record = measure(worker, task.configuration, task.protocol)
            journal.append(task.id, record)
            _stop_if_broken(recent := [*recent, record][-MAX_ERRORS_IN_A_ROW:], journal.path)
        rows.append(_row(task, record))
        progress.add(record, fresh=fresh)
        report(progress)
    return rows


def measure(worker: WorkerProcess, configuration: Configuration, protocol: Protocol) -> dict[str, Any]:
    """Have both phases of one configuration measured; the record for the journal, whatever happens.

    Args:
        worker: asked once per phase; the second is not tried if the first fails.
        configuration: what to measure.
        protocol: its ``timeout_s`` is for both phases together.
    """
    start = time.monotonic()
    record: dict[str, Any] = {
        "status": "ok",
        "reason": "",
        "phases": {},
        "configuration": asdict(configuration),
    }
    seconds: dict[str, float] = {}
    for phase in _ORDER:
        request = {"configuration": asdict(configuration), "phase": phase, "protocol": asdict(protocol)}
        outcome = worker.ask(request, max(protocol.timeout_s - (time.monotonic() - start), 0.01))
        if outcome.result is None:
            record |= {"status": outcome.status, "reason": f"{phase}: {outcome.reason}"}
            break
        seconds |= {f"{phase} {name}": spent for name, spent in outcome.result.pop("seconds").items()}
        record["phases"][phase] = outcome.result
    record["measured_s"] = time.monotonic() - start
    return record | {"seconds": {**seconds, "other": record["measured_s"] - sum(seconds.values())}}


def configurations_of(table: pd.DataFrame) -> list[Configuration]:
    """The configurations of a measurement table, one per row."""
    names = [field.name for field in fields(Configuration)]
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return [Configuration(*row) for row in rows]


def configuration_ids(table: pd.DataFrame) -> frozenset[str]:
    """Ids of the configurations of a measurement table, to skip them elsewhere."""
    return frozenset(configuration.id for configuration in configurations_of(table))


def _stop_if_broken(recent: list[dict[str, Any]], path: Path) -> None:
    if len(recent) == MAX_ERRORS_IN_A_ROW and all(record["status"] == "error" for record in recent):
        reason = recent[-1]["reason"]
        raise PerfseerError(
            f"the last {len(recent)} configurations all failed, the latest with: {reason}. The journal "
            f"{path} keeps them; mend the cause and run again with --retry-failed"
        )


def _row(task: Task, record: Mapping[str, Any]) -> dict[str, Any]:
    row = asdict(task.configuration) | {name: record[name] for name in ("status", "reason", "measured_s")}
    row["protocol"] = canonical_json(asdict(task.protocol))
    for phase in PHASES:
        result = record["phases"].get(
            phase, dict.fromkeys(("iterations", "disturbed_iterations", "warmup_iterations"), 0)
        )
        row |= {f"{phase}_{name}": value for name, value in result.items()}
    return row


def table_of(rows: Iterable[Mapping[str, Any]], environment: Mapping[str, Any]) -> pd.DataFrame:
    """The measurement table of the rows that `carry_out` gave, all measured in ``environment``."""
    constant = {
        "device": environment["device"],
        "device_kind": environment["device_kind"],
        "environment": canonical_json(environment),
        "protocol_version": PROTOCOL_VERSION,
    }
    return typed_table(pd.DataFrame(list(rows)).reindex(columns=list(COLUMNS)).assign(**constant))
