"""What setting apart disturbed iterations is worth: the second table of docs/measurement.md on slow machines.

python benchmarks/disturbance.py --slack 10 0.1 0.05 0.03 0.02 --networks 10 --passes 3

The same configurations are measured by the cpu meter with each value of ``collect.protocol.probe_slack``
(10: every iteration counts), in an order drawn anew, in several passes by fresh workers. Printed is how far
the time labels of two passes differ, and what a phase costs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict, replace
from functools import partial
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from perfseer.errors import PerfseerError, require
from perfseer.measure.construction import construct
from perfseer.measure.forked import run_forked
from perfseer.measure.heap import release_free_heap
from perfseer.measure.plan import Configuration, plan
from perfseer.measure.settings import CollectSettings
from perfseer.measure.worker import batch_of, start
from perfseer.measure.worker_process import worker_environment
from perfseer.targets import PHASES, Phase
from perfseer.zoo.space import SearchSpace

ROOT = Path(__file__).parents[1]


def settings_of() -> tuple[SearchSpace, CollectSettings]:
    """Sections ``zoo`` and ``collect`` of params.yaml."""
    mapping = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return SearchSpace.from_mapping(mapping["zoo"]), CollectSettings.from_mapping(mapping["collect"])


def one_pass(slacks: list[float], networks: int, seed: int) -> None:
    """Measure everything once, a JSON line per label; the process is the worker."""
    space, settings = settings_of()
    meter, _ = start("cpu", settings.threads)
    chosen = list(islice(plan(space, settings), 0, networks * settings.batches_per_architecture, 2))
    draw = random.Random(seed)
    jobs = [(one, phase, slack) for one in chosen for phase in PHASES for slack in slacks]
    for one, phase, slack in draw.sample(jobs, len(jobs)):
        print(json.dumps(measured(meter, settings, one, phase, slack)), flush=True)


def measured(
    meter: Any, settings: CollectSettings, one: Configuration, phase: Phase, slack: float
) -> dict[str, Any]:
    """Label and cost of one phase with one value of ``probe_slack``."""
    protocol = replace(settings.protocol, probe_slack=slack)
    build = partial(construct, one.model_spec)
    release_free_heap()
    begin = time.perf_counter()
    outcome = run_forked(
        lambda: asdict(meter.measure(build, batch_of(one, "cpu"), phase, protocol)), protocol.timeout_s
    )
    result = outcome.required()
    return {
        "key": f"{one.id} {phase}",
        "slack": slack,
        "time_ms": result["time_ms"],
        "apart": result["disturbed_iterations"] / (result["disturbed_iterations"] + result["iterations"]),
        "foreign_cores": result["foreign_cores"] or 0.0,
        "seconds": time.perf_counter() - begin,
    }


def main(arguments: list[str]) -> None:
    """Run the passes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--slack", type=float, nargs="+", default=[10.0, 0.1, 0.05, 0.03, 0.02])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--as-worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.as_worker is not None:
        one_pass(given.slack, given.networks, given.as_worker)
        return
    passes = [worker_pass(given.slack, given.networks, seed) for seed in range(given.passes)]
    everything = [line for lines in passes for line in lines]
    busy = np.mean([line["foreign_cores"] for line in everything])
    print(f"{given.networks} networks, {given.passes} passes; other processes kept {busy:.2f} cores busy\n")
    print("| `probe_slack` | median | mean | 95th percentile | pairs | set apart | s per phase |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for slack in given.slack:
        own = [line for line in everything if line["slack"] == slack]
        labels: dict[str, list[float]] = defaultdict(list)
        for line in own:
            labels[line["key"]].append(line["time_ms"])
        gaps = 100 * np.abs([b / a - 1 for times in labels.values() for a, b in combinations(times, 2)])
        apart, seconds = (float(np.mean([line[name] for line in own])) for name in ("apart", "seconds"))
        spread = " | ".join(
            f"{value:.2g} %" for value in (np.median(gaps), gaps.mean(), np.quantile(gaps, 0.95))
        )
        print(f"| {slack:g} | {spread} | {len(gaps)} | {apart:.0%} | {seconds:.2f} |")


def worker_pass(slacks: list[float], networks: int, seed: int) -> list[dict[str, Any]]:
    """One pass in a fresh process with the environment of a worker."""
    _, settings = settings_of()
    command = [sys.executable, __file__, "--as-worker", str(seed), "--networks", str(networks), "--slack"]
    environment = worker_environment("cpu", settings.threads, os.environ)
    done = subprocess.run(
        [*command, *map(str, slacks)], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    require(done.returncode == 0, f"pass {seed} ended with exit code {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PerfseerError as error:
        sys.exit(f"error: {error}")
