"""A machine that answers at once, for what measures configurations of a table once more."""

from dataclasses import asdict

import pandas as pd
import pytest

from perfseer.digests import canonical_json
from perfseer.measure import session
from perfseer.measure.outcomes import Outcome
from perfseer.measure.plan import plan
from perfseer.measure.session import Logbook
from perfseer.measure.settings import PROTOCOL_VERSION, CollectSettings
from perfseer.measure.table import COLUMNS, typed_table
from perfseer.targets import PHASES
from perfseer.zoo.space import SearchSpace
from tests.helpers.places import PARAMS

SPACE = SearchSpace.from_mapping(PARAMS["zoo"])
COLLECT = CollectSettings.from_mapping(PARAMS["collect"])
SHORT = asdict(COLLECT.protocol)
ENVIRONMENT = {
    "device": "a processor",
    "device_kind": "cpu",
    "threads": 1,
    "torch": "2.11.0",
    "digest": "abc",
}
RESULT = {
    "time_ms": 2.0,
    "time_mean_ms": 2.1,
    "iterations": 9,
    "disturbed_iterations": 0,
    "warmup_iterations": 3,
    "mem_mib": 30.0,
    "util_pct": 90.0,
}
# What the worker says of one phase, every figure of it.
PHASE = {
    **RESULT,
    "time_ci_low_ms": 1.9,
    "time_ci_high_ms": None,
    "warmup_drift_pct": None,
    "mem_allocated_mib": None,
    "mem_reserved_mib": None,
    "mem_process_mib": 300.0,
    "foreign_cores": 0.1,
    "util_nvml_pct": None,
    "probe_ms": None,
    "sm_clock_mhz": None,
    "throttled": None,
    "foreign_mem_mib": None,
}


def logbook(folder, report=lambda tally: None, note=lambda text: None, **options):
    """A run's logbook that tells nobody unless asked to."""
    return Logbook(folder, report, note, **options)


class StandIn:
    """Put in the place of the class `WorkerProcess`, it is also the only object of it."""

    def __call__(self, device, threads, interrupts, *module):
        self.place = (device, threads)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        pass


class FakeClock:
    """No time passes but what its owner adds."""

    seconds = 0.0

    def read(self):
        return self.seconds


class PhaseWorker(StandIn):
    """Stands in for `WorkerProcess`; every phase takes one second of a clock of its own.

    Attributes:
        asked: position in the plan, phase and time-out, of every request.
        outcomes: by position and phase, what does not go well.
    """

    lost_s = 0.0

    def __init__(self):
        self.asked, self.outcomes, self.clock = [], {}, FakeClock()

    def environment(self):
        return {"device": "a processor", "device_kind": self.place[0], "digest": "abc"}

    def ask(self, request, timeout_s):
        key = (request["configuration"]["order"], request["phase"])
        self.asked.append((*key, timeout_s))
        self.clock.seconds += 1.0
        return self.outcomes.get(key) or Outcome("ok", result={**PHASE, "seconds": {"count": 0.7}})


class FakeWorker(StandIn):
    """Stands in for `WorkerProcess` and for `session.measure`; a configuration takes two seconds.

    Attributes:
        here: what it says of the machine.
        status: of what it measures.
        asked: configuration, protocol and number of the process, of every measurement.
        processes: started so far.
        raises: by the number of the measurement (from 0), what is raised instead.
    """

    def __init__(self):
        self.here, self.status, self.asked, self.processes, self.raises = dict(ENVIRONMENT), "ok", [], 0, {}
        self._running = False

    def __exit__(self, *failure):
        self.stop()

    def environment(self):
        self._running, self.processes = True, self.processes + 1
        return self.here

    def stop(self):
        self._running = False

    def measure(self, worker, task):
        if not self._running:
            self.environment()
        number = len(self.asked)
        self.asked.append((task.configuration, task.protocol, self.processes))
        if number in self.raises:
            raise self.raises.pop(number)
        results = dict.fromkeys(task.phases, RESULT) if self.status == "ok" else {}
        return {
            **{"status": self.status, "reason": "", "phases": results, "measured_s": 2.0},
            **{"configuration": asdict(task.configuration), "seconds": {"count": 2.0}},
        }

    def ids(self):
        """Configurations measured, in order."""
        return [configuration.id for configuration, _, _ in self.asked]


@pytest.fixture
def worker(monkeypatch):
    fake = FakeWorker()
    monkeypatch.setattr(session, "WorkerProcess", fake)
    monkeypatch.setattr(session, "measure", fake.measure)
    return fake


def collected(n: int, failed: tuple[int, ...] = ()) -> pd.DataFrame:
    """The table of the plan's first ``n`` configurations; training takes ``order + 1`` ms."""
    configurations = [one for one, _ in zip(plan(SPACE, COLLECT), range(n), strict=False)]
    table = pd.DataFrame([asdict(one) for one in configurations]).reindex(columns=list(COLUMNS))
    constant = {
        "device": ENVIRONMENT["device"],
        "device_kind": ENVIRONMENT["device_kind"],
        "environment": canonical_json(ENVIRONMENT),
        "protocol": canonical_json(SHORT),
        "protocol_version": PROTOCOL_VERSION,
        "measured_s": 2.0,
        "reason": "",
        **{f"{phase}_{name}": value for phase in PHASES for name, value in RESULT.items()},
    }
    status = ["oom" if order in failed else "ok" for order in range(n)]
    table = table.assign(**constant, status=status)
    return typed_table(table.assign(train_time_ms=1.0 + table["order"]))
