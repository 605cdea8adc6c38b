"""The campaign: test which operators fuse, then measure kernels round by round until the time is used up."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.kernels import OPTIMISER, FusionRules, Nodes, kernels_of
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.measure.kernels.describe import captured
from perfseer.measure.kernels.fusion import FUSION_VERSION, rules_of
from perfseer.measure.kernels.modules import is_measurable
from perfseer.measure.kernels.sampling import Kernel, Learner, Plan, badly_predicted
from perfseer.measure.kernels.settings import KernelSettings
from perfseer.measure.kernels.table import KERNELS_VERSION, ROW_COLUMNS, TIMES, kernel_row, kernel_table
from perfseer.measure.session import MAX_ERRORS_IN_A_ROW, Logbook, Session, open_session
from perfseer.measure.settings import PROTOCOL_VERSION, CollectSettings
from perfseer.measure.tally import Tally
from perfseer.targets import Phase
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace

WORKER = "perfseer.measure.kernels.worker"
# Seconds one pair of the fusion test may take.
_PAIR_TIMEOUT_S = 60.0
_clock = time.monotonic
_PHASES: tuple[Phase, ...] = ("infer", "train")


@dataclass(frozen=True)
class Campaign:
    """A finished campaign.

    Attributes:
        table: measured kernels (`measure.kernels.table`).
        fusion: contents of fusion.json.
        tally: totals.
        journal: the file the records are in.
    """

    table: pd.DataFrame
    fusion: dict[str, Any]
    tally: Tally
    journal: Path


class _Run:
    """What the steps of a campaign share: settings, session and rows."""

    def __init__(self, settings: KernelSettings, collect: CollectSettings, session: Session) -> None:
        self.settings, self.journal, self.worker = settings, session.journal, session.worker
        self.place = {"precision": collect.precision, "memory_format": collect.memory_format}
        self.tally, self.report = session.tally, session.logbook.report
        self.rows: list[dict[str, Any]] = []

    def recorded(self, identifier: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The journal's record, or that of ``work``, which is added to it."""
        record = self.journal.records.get(identifier)
        fresh = record is None
        if record is None:
            record = work()
            self.journal.append(identifier, record)
        self.tally.add(record, fresh=fresh)
        self.report(self.tally)
        return record

    def measure(self, kernels: Iterable[Kernel], until_s: float) -> None:
        """Measure ``kernels`` in order until ``until_s`` measuring seconds are used up."""
        for kernel in kernels:
            if self.tally.used_s >= until_s:
                return
            record = self.recorded(kernel.id, partial(self._measured, kernel))
            self.rows.append(kernel_row(kernel, record))
            self._stop_if_broken()

    def _stop_if_broken(self) -> None:
        recent = self.rows[-MAX_ERRORS_IN_A_ROW:]
        if len(recent) == MAX_ERRORS_IN_A_ROW and all(row["status"] == "error" for row in recent):
            raise PerfseerError(
                f"the last {len(recent)} kernels all failed, the latest with: {recent[-1]['reason']}. Mend "
                f"the cause, delete {self.journal.path} and run the same command again"
            )

    def _measured(self, kernel: Kernel) -> dict[str, Any]:
        costs = captured(kernel.name, kernel.configuration)
        record: dict[str, Any] = {"status": "ok", "reason": "", "phases": {}, "seconds": {}}
        record["costs"] = {key: value for key, value in costs.items() if key not in kernel.configuration}
        request = {
            **{"what": "kernel", "name": kernel.name, "configuration": kernel.configuration},
            **{"place": self.place, "protocol": asdict(self.settings.protocol)},
            "copies": self.settings.copies,
        }
        for phase in phases_of(kernel.name):
            started = _clock()
            outcome = self.worker.ask({**request, "phase": phase}, self.settings.protocol.timeout_s)
            record["seconds"][phase] = _clock() - started
            if outcome.result is None:
                record |= {"status": outcome.status, "reason": f"{phase}: {outcome.reason}"}
                break
            record["phases"][phase] = outcome.result
        return record | {"measured_s": sum(record["seconds"].values())}

    def tested(self, what: str, pair: tuple[str, str]) -> dict[str, Any]:
        """The entry of a pair in fusion.json."""
        request = {"what": what, "pair": pair, "place": self.place, "fusion": asdict(self.settings.fusion)}

        def work() -> dict[str, Any]:
            started = _clock()
            outcome = self.worker.ask(request, _PAIR_TIMEOUT_S)
            if outcome.result is None:
                raise PerfseerError(
                    f"the fusion test of {' and '.join(pair)} failed ({outcome.status}: {outcome.reason}); "
                    "see whether the machine is short of memory, then run the same command again"
                )
            spent = _clock() - started
            record = {"status": "ok", "entry": outcome.result, "phases": {}}
            return {**record, "measured_s": spent, "seconds": {"fusion": spent}}

        entry: dict[str, Any] = self.recorded(digest([what, *pair], 16), work)["entry"]
        return entry


def run_campaign(
    space: SearchSpace,
    collect: CollectSettings,
    settings: KernelSettings,
    logbook: Logbook,
    learner: Learner | None,
) -> Campaign:
    """Measure fusion rules and kernels.

    The budget counts the measuring seconds of all pairs and kernels, whenever they were measured, so the same
    call again measures nothing and gives the same table.

    Args:
        space: networks whose kernels are sampled.
        collect: device, formats, batch sizes and threads.
        settings: section ``kernels``.
        logbook: where the journal is, and whom to tell, also what each round found.
        learner: finds out which held-out kernels the others do not tell; None for the first round only.

    Raises:
        PerfseerError: and InterruptError, as `session.open_session`.
    """
    graphs = zoo_graphs(space, settings)
    facts = {
        "what": "kernels",
        "fusion": asdict(settings.fusion),
        "protocol": asdict(settings.protocol),
        "copies": settings.copies,
        "precision": collect.precision,
        "memory_format": collect.memory_format,
        "versions": [PROTOCOL_VERSION, KERNELS_VERSION, FUSION_VERSION],
    }
    tally = Tally(settings.time_budget_s)
    with open_session(collect.device, collect.threads, logbook, tally, facts, module=WORKER) as session:
        environment = session.environment
        run = _Run(settings, collect, session)
        fusion = _fusion(run, graphs) | {"environment": environment, "place": run.place}
        kernels = _zoo_kernels(graphs, FusionRules.from_json(fusion["rules"]), collect)
        _rounds(run, Plan(kernels, settings, collect.batch_sizes), learner, logbook.note)
        constant = {
            **{key: environment[key] for key in ("device", "device_kind")},
            "environment": canonical_json(environment),
            "protocol": canonical_json(asdict(settings.protocol)),
        }
        return Campaign(kernel_table(run.rows, constant), fusion, tally, session.journal.path)


def phases_of(name: str) -> tuple[Phase, ...]:
    """Phases in which a kernel runs: an optimiser's step only in training."""
    return ("train",) if name == OPTIMISER else _PHASES


def zoo_graphs(space: SearchSpace, settings: KernelSettings) -> list[PerfGraph]:
    """Graphs of networks of the space at batch size 1, drawn by the seed of section ``kernels``.

    Raises:
        PerfseerError: the space has fewer networks than asked for.
    """
    torch.set_num_threads(1)  # nothing is computed on the meta device
    graphs = []
    for spec in sample(replace(space, seed=settings.seed), settings.architectures):
        with torch.device("meta"):
            module = build(spec)
            inputs = torch.empty(1, space.in_channels, space.resolution, space.resolution)
        graphs.append(capture(module, (inputs,), backward=False))
    return graphs


def adjacent_pairs(graphs: list[PerfGraph]) -> list[tuple[str, str]]:
    """Producer and consumer of every edge there is, each pair once, but for consumers of several tensors."""
    kernels = kernels_of(nodes := Nodes.of(graphs), FusionRules())
    names = kernels["name"].astype(str).to_numpy()
    senders, receivers = nodes.edge_index
    single = np.bincount(receivers, minlength=len(nodes))[receivers] == 1
    found = {(str(names[a]), str(names[b])) for a, b in zip(senders[single], receivers[single], strict=True)}
    return sorted(pair for pair in found if all(is_measurable(name) for name in pair))


def _fusion(run: _Run, graphs: list[PerfGraph]) -> dict[str, Any]:
    pairs = [run.tested("pair", pair) for pair in adjacent_pairs(graphs)]
    fusing = [entry for entry in pairs if entry["applied"]]
    outputs: dict[str, Any] = {"rule": "never", "reason": "no pair fuses, so there was nothing to test"}
    if fusing:
        clearest = max(fusing, key=lambda entry: float(entry["saving"]))
        outputs = run.tested("outputs", (clearest["producer"], clearest["consumer"]))
    return {
        "version": FUSION_VERSION,
        "pairs": pairs,
        "multiple_outputs": outputs,
        "rules": rules_of(pairs, outputs["rule"]).to_json(),
        "protocol": asdict(run.settings.fusion),
    }


def _zoo_kernels(graphs: list[PerfGraph], rules: FusionRules, collect: CollectSettings) -> pd.DataFrame:
    table = kernels_of(Nodes.of(graphs), rules)
    known = {name: is_measurable(name) or name == OPTIMISER for name in table["name"].cat.categories}
    table = table[table["name"].map(known).astype(bool)]
    return table.assign(itemsize=2 if collect.precision == "bf16" else 4)


def _rounds(run: _Run, plan: Plan, learner: Learner | None, note: Callable[[str], None]) -> None:
    """The first round, then those around what is predicted badly, each with its share of the time."""
    settings = run.settings
    start = run.tally.used_s
    left = settings.time_budget_s - start
    rounds = settings.rounds if learner else 0
    adaptive = settings.rounds_share * left if rounds else 0.0
    run.measure(plan.first_round(), start + left - adaptive)
    for number in range(1, rounds + 1):
        measured = pd.DataFrame([row for row in run.rows if row["status"] == "ok"])
        if learner is None or measured.empty:
            return
        measured = measured.reindex(columns=list(ROW_COLUMNS))
        bad = badly_predicted(measured, learner, settings.error_pct, settings.seed + number, TIMES)
        note(f"round {number}: {len(bad)} held-out kernels were off by more than {settings.error_pct:g} %")
        run.measure(
            plan.round(number, bad), settings.time_budget_s - adaptive * (1 - number / settings.rounds)
        )
