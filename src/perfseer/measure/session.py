"""A run of measurements: what the journal has is taken from it, the rest is measured, and rows come out."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError
from perfseer.measure.interrupts import Interrupts
from perfseer.measure.journal import Journal
from perfseer.measure.plan import Configuration
from perfseer.measure.settings import PROTOCOL_VERSION, DeviceKind, Protocol
from perfseer.measure.table import COLUMNS, typed_table
from perfseer.measure.tally import Tally
from perfseer.measure.worker_process import WORKER, WorkerProcess
from perfseer.targets import PHASES, Phase

# So many errors in a row (not out-of-memory, not time-outs) mean that the installation is broken.
MAX_ERRORS_IN_A_ROW = 10
# Inference first: what it cannot do, training cannot either.
_ORDER: tuple[Phase, ...] = ("infer", "train")


@dataclass(frozen=True)
class Task:
    """One measurement to be made.

    Attributes:
        id: names it in the journal; two measurements of one configuration have two.
        configuration: what is measured; its ``order`` is the row's.
        protocol: how.
        phases: which, in their order.
    """

    id: str
    configuration: Configuration
    protocol: Protocol
    phases: tuple[Phase, ...] = _ORDER


@dataclass(frozen=True)
class Logbook:
    """Where a run keeps what it measures, and whom it tells.

    Attributes:
        folder: where journals live.
        report: called after every row.
        note: told in words what had to be repaired.
        retry_failed: whether what the journal has with a status other than ok is measured again.
    """

    folder: Path
    report: Callable[[Tally], None]
    note: Callable[[str], None]
    retry_failed: bool = False


@dataclass(frozen=True)
class Collection:
    """A finished run.

    Attributes:
        table: the measurement table.
        tally: its totals.
        journal: the file the records are in.
    """

    table: pd.DataFrame
    tally: Tally
    journal: Path


@dataclass(frozen=True)
class Session:
    """What the measurements of one run share.

    Attributes:
        worker: measures; ``worker.stop()`` makes the next measurement start a fresh process.
        journal: where finished measurements are.
        interrupts: tells of Ctrl-C and the like.
        environment: the fingerprint of device and software.
        tally: rows and seconds so far; says when to stop.
        logbook: where the run keeps what it measures, and whom it tells.
    """

    worker: WorkerProcess
    journal: Journal
    interrupts: Interrupts
    environment: Mapping[str, Any]
    tally: Tally
    logbook: Logbook

    def collection(self, rows: Iterable[Mapping[str, Any]]) -> Collection:
        """What has come of it: rows made by `measure_all`, as a measurement table."""
        constant = {
            "device": self.environment["device"],
            "device_kind": self.environment["device_kind"],
            "environment": canonical_json(self.environment),
            "protocol_version": PROTOCOL_VERSION,
        }
        table = pd.DataFrame(list(rows)).reindex(columns=list(COLUMNS)).assign(**constant)
        return Collection(typed_table(table), self.tally, self.journal.path)


@contextlib.contextmanager
def open_session(
    device: DeviceKind,
    threads: int,
    logbook: Logbook,
    tally: Tally,
    facts: Mapping[str, Any],
    *,
    admit: Callable[[Mapping[str, Any]], None] = lambda _: None,
    module: str = WORKER,
) -> Iterator[Session]:
    """Start the worker and open the journal; both are closed at the end, however it comes.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: intra-operator threads.
        logbook: where journals live, and whom to tell.
        tally: counts from here.
        facts: everything a record depends on besides its task and the environment; the digest of it all names
            the journal.
        admit: raises where the environment will not do.
        module: what the worker runs.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    with Interrupts() as interrupts, WorkerProcess(device, threads, interrupts, module) as worker:
        environment = worker.environment()
        admit(environment)
        header = {**facts, "environment": dict(environment)}
        with Journal(logbook.folder, digest(header), header) as journal:
            for text in journal.notes:
                logbook.note(text)
            yield Session(worker, journal, interrupts, environment, tally, logbook)


def measure_all(tasks: Iterable[Task], session: Session) -> list[dict[str, Any]]:
    """Rows of the tasks in order, until they or the tally's budget or limit are used up.

    What the journal has is taken from it, everything else is measured and added to it.

    Args:
        tasks: each id at most once.
        session: an open one.

    Raises:
        PerfseerError: and InterruptError, as `open_session`.
        ValueError: two tasks have one id.
    """
    rows: list[dict[str, Any]] = []
    recent: list[dict[str, Any]] = []
    seen: set[str] = set()
    for task in tasks:
        if session.tally.done:
            break
        if task.id in seen:
            raise ValueError(f"two tasks have the id {task.id}: one measurement would be counted twice")
        seen.add(task.id)
        session.interrupts.check()
        record = session.journal.records.get(task.id)
        fresh = record is None or (session.logbook.retry_failed and record["status"] != "ok")
        if record is None or fresh:
            record = measure(session.worker, task)
            session.journal.append(task.id, record)
            _stop_if_broken(recent := [*recent, record][-MAX_ERRORS_IN_A_ROW:], session.journal.path)
        rows.append(_row(task, record))
        session.tally.add(record, fresh=fresh)
        session.logbook.report(session.tally)
    return rows


def measure(worker: WorkerProcess, task: Task) -> dict[str, Any]:
    """Have the phases of one configuration measured; the record for the journal, whatever happens.

    Args:
        worker: asked once per phase; the second is not tried if the first fails.
        task: its protocol's ``timeout_s`` is for all phases together.
    """
    start, lost_s = worker.clock.read(), worker.lost_s
    asked = {"configuration": asdict(task.configuration), "protocol": asdict(task.protocol)}

    def left_s() -> float:
        return task.protocol.timeout_s - (worker.clock.read() - start) + (worker.lost_s - lost_s)

    record: dict[str, Any] = {"status": "ok", "reason": "", "phases": {}}
    record["configuration"] = asked["configuration"]
    seconds: dict[str, float] = {}
    for phase in task.phases:
        outcome = worker.ask({**asked, "phase": phase}, max(left_s(), 0.01))
        if outcome.result is None:
            record |= {"status": outcome.status, "reason": f"{phase}: {outcome.reason}"}
            break
        seconds |= {f"{phase} {name}": spent for name, spent in outcome.result.pop("seconds").items()}
        record["phases"][phase] = outcome.result
    record["measured_s"] = worker.clock.read() - start
    if worker.lost_s > lost_s:
        seconds["restarts"] = worker.lost_s - lost_s
    return record | {"seconds": {**seconds, "other": record["measured_s"] - sum(seconds.values())}}


def _stop_if_broken(recent: list[dict[str, Any]], path: Path) -> None:
    if len(recent) == MAX_ERRORS_IN_A_ROW and all(record["status"] == "error" for record in recent):
        reason = recent[-1]["reason"]
        raise PerfseerError(
            f"the last {len(recent)} configurations all failed, the latest with: {reason}. The journal "
            f"{path} keeps them; mend the cause and run again with --retry-failed"
        )


def _row(task: Task, record: Mapping[str, Any]) -> dict[str, Any]:
    row = asdict(task.configuration) | {name: record[name] for name in ("status", "reason", "measured_s")}
    row["protocol"] = _protocol_json(task.protocol)
    for phase in PHASES:
        result = record["phases"].get(
            phase, dict.fromkeys(("iterations", "disturbed_iterations", "warmup_iterations"), 0)
        )
        row |= {_column(phase, name): value for name, value in result.items()}
    return row


# Tens of thousands of rows share these texts.
@cache
def _protocol_json(protocol: Protocol) -> str:
    return canonical_json(asdict(protocol))


@cache
def _column(phase: Phase, name: str) -> str:
    return f"{phase}_{name}"
