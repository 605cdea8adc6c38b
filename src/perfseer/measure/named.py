"""Measuring models somebody names, in the order given, with the journal and the worker of a collection."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from perfseer.measure.fingerprint import installed_version
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Collection, Logbook, Session, Task, measure_all, open_session
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
    logbook: Logbook,
    *,
    phases: tuple[Phase, ...] = PHASES,
    budget_s: float = float("inf"),
    limit: int | None = None,
) -> Collection:
    """Measure configurations in order until the budget or the limit is used up.

    What the journal has is taken from it, so the same call goes on where an interrupted one stopped.

    Args:
        choose: says what to measure once the device is known; each configuration at most once.
        protocol: how each is measured.
        device: ``cpu`` or ``cuda``.
        threads: intra-operator threads wanted on the cpu.
        logbook: where the journal is, and whom to tell.
        phases: measured; inference comes first whatever the order here.
        budget_s: measuring seconds of the whole table.
        limit: rows at most.

    Raises:
        PerfseerError: and InterruptError, as `session.open_session`.
    """
    ordered = tuple(phase for phase in reversed(PHASES) if phase in phases)
    facts = {
        "protocol": asdict(protocol),
        "protocol_version": PROTOCOL_VERSION,
        "phases": list(ordered),
        "libraries": {name: installed_version(name) for name in _LIBRARIES},
    }
    with open_session(device, threads, logbook, Tally(budget_s, limit), facts) as session:
        tasks = [Task(one.id, one, protocol, ordered) for one in choose(session)]
        return session.collection(measure_all(tasks, session))
