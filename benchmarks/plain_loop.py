"""A measurement table held against a loop anybody would write: of perfseer it uses the zoo alone.

python benchmarks/plain_loop.py results/measurements/local.parquet --rows 10 --seconds 5

Every phase of every chosen row runs in a fresh process: build, warm up for a fifth of the time, then iterate
for the rest. Printed are time (seconds over iterations, and the median) and peak memory beside the table's,
and the differences. Fp32 and eager rows only. On the cpu the loop's memory holds what glibc's malloc keeps of
freed blocks, which the table's does not (docs/measurement.md).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.measure.table import read_table

LOOP = """
import json, statistics, sys, time
import torch
from perfseer.zoo.builder import build
from perfseer.zoo.space import ArchitectureSpec

job = json.loads(sys.argv[1])
device = torch.device(job["device"])
cuda = device.type == "cuda"
torch.set_num_threads(job["threads"])
warm = torch.nn.Conv2d(3, 3, 3).to(device)
warm(torch.randn(1, 3, 8, 8, device=device)).sum().backward()
torch.optim.SGD(warm.parameters(), lr=0.01, momentum=0.9).step()  # loads what the optimiser needs


def status_mib(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


before_mib = status_mib("RssAnon")
if cuda:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
model = build(ArchitectureSpec.from_json(job["spec"])).to(device)
inputs = torch.randn(job["shape"], device=device)

if job["phase"] == "infer":
    model.eval()

    def step():
        with torch.inference_mode():
            model(inputs)
else:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    labels = torch.arange(job["shape"][0], device=device)

    def step():
        optimiser.zero_grad()
        outputs = model(inputs)
        torch.nn.functional.cross_entropy(outputs, labels % outputs.shape[1]).backward()
        optimiser.step()


def loop(seconds):
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        step()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return times


loop(job["seconds"] / 5)
times = loop(job["seconds"])
if cuda:
    mem_mib = (torch.cuda.max_memory_allocated() - before) / 2**20
else:
    mem_mib = status_mib("VmHWM") - status_mib("RssFile") - status_mib("RssShmem") - before_mib
print(json.dumps({"mean_ms": 1e3 * statistics.fmean(times), "median_ms": 1e3 * statistics.median(times),
                  "mem_mib": mem_mib}))
"""


def run(row: Any, phase: str, seconds: float) -> dict[str, float]:
    """One phase of one row by the plain loop."""
    threads = json.loads(row.environment)["threads"]
    job = {
        "device": row.device_kind,
        "threads": threads,
        "spec": row.model_spec,
        "shape": [row.batch_size, *map(int, row.input_shape.split("x"))],
        "phase": phase,
        "seconds": seconds,
    }
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", LOOP, json.dumps(job)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"{row.model_ref}, {phase}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(arguments: list[str]) -> None:
    """Print one line per row and phase, then the median and the largest difference per label."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args(arguments)
    table = read_table(given.table).query("status == 'ok' and precision == 'fp32' and mode == 'eager'")
    require(len(table) > 0, f"{given.table} has no finished fp32 row in eager mode")
    chosen = table.iloc[:: max(len(table) // given.rows, 1)].head(given.rows)
    print("| phase | batch | table ms | loop median | loop mean | table MiB | loop MiB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    differences: dict[str, list[float]] = {}
    for row in chosen.itertuples():
        for phase in ("infer", "train"):
            ours, mem = getattr(row, f"{phase}_time_ms"), getattr(row, f"{phase}_mem_mib")
            loop = run(row, phase, given.seconds)
            cells = (ours, loop["median_ms"], loop["mean_ms"], mem, loop["mem_mib"])
            print(f"| {phase} | {row.batch_size} | " + " | ".join(f"{cell:.4g}" for cell in cells) + " |")
            for name, other in (("time, loop's median", "median_ms"), ("time, loop's mean", "mean_ms")):
                differences.setdefault(f"{phase} {name}", []).append(ours / loop[other] - 1)
            differences.setdefault(f"{phase} memory", []).append(mem / loop["mem_mib"] - 1)
    for name, values in differences.items():
        sizes = sorted(abs(value) for value in values)
        middle, signed = statistics.median(sizes), statistics.median(values)
        print(f"{name}: median |difference| {middle:.1%} (signed {signed:+.1%}), largest {sizes[-1]:.1%}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PerfseerError as error:
        sys.exit(f"error: {error}")
