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
from perfseer.measure.worker_process import WorkerProcess
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
class Session:
    """What the measurements of one run share.

    Attributes:
        worker: measures; ``worker.stop()`` makes the next measurement start a fresh process.
        journal: where finished measurements are.
        interrupts: tells of Ctrl-C and the like.
        environment: the fingerprint of device and software.
        tally: rows and seconds so far; says when to stop.
        report: called after every row.
    """

    worker: WorkerProcess
    journal: Journal
    interrupts: Interrupts
    environment: Mapping[str, Any]
    tally: Tally
    report: Callable[[Tally], None]


@contextlib.contextmanager
def open_session(
    device: DeviceKind,
    threads: int,
    folder: Path,
    header: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    tally: Tally,
    *,
    report: Callable[[Tally], None],
    note: Callable[[str], None],
) -> Iterator[Session]:
    """Start the worker and open the journal; both are closed at the end, however it comes.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: intra-operator threads.
        folder: where journals live.
        header: from the environment, everything a record depends on besides its task; names the journal.
        tally: counts from here.
        report: called after every row.
        note: told in words what had to be repaired.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    with Interrupts() as interrupts, WorkerProcess(device, threads, interrupts) as worker:
        environment = worker.environment()
        head = header(environment)
        with Journal(folder, digest(head), head) as journal:
            for text in journal.notes:
                note(text)
            yield Session(worker, journal, interrupts, environment, tally, report)


def measure_all(
    tasks: Iterable[Task], session: Session, *, retry_failed: bool = False
) -> list[dict[str, Any]]:
    """Rows of the tasks in order, until they or the tally's budget or limit are used up.

    What the journal has is taken from it, everything else is measured and added to it.

    Args:
        tasks: each id at most once.
        session: an open one.
        retry_failed: measure again what the journal has with a status other than ok.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
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
        fresh = record is None or (retry_failed and record["status"] != "ok")
        if record is None or fresh:
            record = measure(session.worker, task.configuration, task.protocol, task.phases)
            session.journal.append(task.id, record)
            _stop_if_broken(recent := [*recent, record][-MAX_ERRORS_IN_A_ROW:], session.journal.path)
        rows.append(_row(task, record))
        session.tally.add(record, fresh=fresh)
        session.report(session.tally)
    return rows


def measure(
    worker: WorkerProcess,
    configuration: Configuration,
    protocol: Protocol,
    phases: tuple[Phase, ...] = _ORDER,
) -> dict[str, Any]:
    """Have the phases of one configuration measured; the record for the journal, whatever happens.

    Args:
        worker: asked once per phase; the second is not tried if the first fails.
        configuration: what to measure.
        protocol: its ``timeout_s`` is for all phases together.
        phases: which, in their order.
    """
    start, lost_s = worker.clock.read(), worker.lost_s

    def left_s() -> float:
        return protocol.timeout_s - (worker.clock.read() - start) + (worker.lost_s - lost_s)

    record: dict[str, Any] = {
        "status": "ok",
        "reason": "",
        "phases": {},
        "configuration": asdict(configuration),
    }
    seconds: dict[str, float] = {}
    for phase in phases:
        request = {"configuration": asdict(configuration), "phase": phase, "protocol": asdict(protocol)}
        outcome = worker.ask(request, max(left_s(), 0.01))
        if outcome.result is None:
            record |= {"status": outcome.status, "reason": f"{phase}: {outcome.reason}"}
            break
        seconds |= {f"{phase} {name}": spent for name, spent in outcome.result.pop("seconds").items()}
        record["phases"][phase] = outcome.result
    record["measured_s"] = worker.clock.read() - start
    if worker.lost_s > lost_s:
        seconds["restarts"] = worker.lost_s - lost_s
    return record | {"seconds": {**seconds, "other": record["measured_s"] - sum(seconds.values())}}


def table_of(rows: Iterable[Mapping[str, Any]], environment: Mapping[str, Any]) -> pd.DataFrame:
    """The measurement table of rows made by `measure_all` in this environment."""
    constant = {
        "device": environment["device"],
        "device_kind": environment["device_kind"],
        "environment": canonical_json(environment),
        "protocol_version": PROTOCOL_VERSION,
    }
    return typed_table(pd.DataFrame(list(rows)).reindex(columns=list(COLUMNS)).assign(**constant))


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
