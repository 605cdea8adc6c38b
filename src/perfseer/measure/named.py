"""Measuring models somebody names, in the order given, with the journal and the worker of a collection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from perfseer.measure.collector import Collection
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Session, Task, measure_all, open_session, table_of
from perfseer.measure.settings import PROTOCOL_VERSION, DeviceKind, Protocol
from perfseer.measure.tally import Tally
from perfseer.targets import PHASES, Phase

# Whose versions decide what a name means.
_LIBRARIES = ("timm", "torchvision")


def measure_named(
    choose: Callable[[Session], Sequence[Configuration]],
    protocol: Protocol,
    device: DeviceKind,
    threads: int,
    folder: Path,
    *,
    phases: tuple[Phase, ...] = PHASES,
    budget_s: float = float("inf"),
    limit: int | None = None,
    retry_failed: bool = False,
    report: Callable[[Tally], None],
    note: Callable[[str], None],
) -> Collection:
    """Measure configurations in order until the budget or the limit is used up.

    What the journal has is taken from it, so the same call goes on where an interrupted one stopped.

    Args:
        choose: says what to measure once the device is known; each configuration at most once.
        protocol: how each is measured.
        device: ``cpu`` or ``cuda``.
        threads: intra-operator threads wanted on the cpu.
        folder: where journals live.
        phases: measured; inference comes first whatever the order here.
        budget_s: measuring seconds of the whole table.
        limit: rows at most.
        retry_failed: measure rows again whose status is not ok.
        report: called after every row.
        note: told in words what had to be repaired.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    ordered = tuple(phase for phase in reversed(PHASES) if phase in phases)
    tally = Tally(budget_s, limit)

    def header(environment: Mapping[str, Any]) -> dict[str, Any]:
        return journal_key(protocol, ordered, environment)

    with open_session(device, threads, folder, header, tally, report=report, note=note) as session:
        tasks = [Task(one.id, one, protocol, ordered) for one in choose(session)]
        rows = measure_all(tasks, session, retry_failed=retry_failed)
        return Collection(table_of(rows, session.environment), tally, session.journal.path)


def journal_key(
    protocol: Protocol, phases: tuple[Phase, ...], environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything a record depends on besides its configuration; the digest of it names the journal."""
    return {
        "environment": dict(environment),
        "protocol": asdict(protocol),
        "protocol_version": PROTOCOL_VERSION,
        "phases": list(phases),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
