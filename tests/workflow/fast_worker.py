"""A measuring process for fault tests: starts at once, and its answers are a function of the question.

Run by the real `WorkerProcess` in place of `perfseer.measure.worker`. Its labels are drawn by a generator
seeded with configuration and phase, so two tables are equal exactly if every row holds its own answers.
``FAST_WORKER_FAULTS`` names a file with what goes wrong: JSON, by position in the plan.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

_COUNTS = ("iterations", "disturbed_iterations", "warmup_iterations")
_LABELS = ("time_ms", "time_ci_low_ms", "time_ci_high_ms", "time_mean_ms", "mem_mib", "util_pct")
_ABSENT = (
    "warmup_drift_pct",
    "mem_allocated_mib",
    "mem_reserved_mib",
    "mem_process_mib",
    "util_nvml_pct",
    "probe_ms",
    "sm_clock_mhz",
    "throttled",
    "foreign_cores",
    "foreign_mem_mib",
)


def result_of(configuration, phase):
    """What a phase of a configuration measures here, always the same."""
    draw = random.Random(json.dumps([configuration, phase], sort_keys=True))
    labels = {name: draw.uniform(1, 100) for name in _LABELS}
    counts = {name: draw.randrange(100) for name in _COUNTS}
    return {**labels, **counts, **dict.fromkeys(_ABSENT), "seconds": {"count": 0.001}}


def answer(request):
    """A line for a request; one in ten fails, always the same ones."""
    configuration, phase = request["configuration"], request["phase"]
    fields = {
        "number": request["number"],
        "status": "ok",
        "reason": "",
        "result": result_of(configuration, phase),
    }
    if configuration["order"] % 10 == 7 and phase == "train":
        fields |= {"status": "oom", "reason": "MemoryError", "result": None}
    return json.dumps(fields)


def main():
    """Answer until the pipe closes."""
    place = os.environ.get("FAST_WORKER_FAULTS")
    print(json.dumps(_hello(json.loads(sys.stdin.readline()), place)), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        time.sleep(0.001)
        fault = _fault(place, request["configuration"]["order"])
        if fault:
            failed = {"number": request["number"], "status": "error", "reason": fault, "result": None}
            print(json.dumps(failed), flush=True)
        else:
            print(answer(request), flush=True)


def _hello(request, place):
    environment = {"device": "a fake device", "device_kind": request["device"], "digest": "fake"}
    faults = _read(place)
    return {"fault": faults["start"]} if "start" in faults else {"environment": environment}


def _fault(place, order):
    """The fault of this position; it also takes the device away from every later worker."""
    faults = _read(place)
    fault = faults.get(str(order))
    if fault and "unplugged" in faults:
        Path(place).write_text(json.dumps({"start": faults["unplugged"]}))
    return fault


def _read(place):
    return json.loads(Path(place).read_text()) if place and Path(place).exists() else {}


if __name__ == "__main__":
    main()
