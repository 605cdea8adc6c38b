"""The worker process: imports torch once, then measures what the collector asks for, one line at a time.

``python -m perfseer.measure.worker``; JSON lines on stdin and stdout. The first line names the device and its
threads and is answered with the environment; every further line is one phase of one configuration and is
answered with an outcome. For the cpu the worker forks for every phase and never runs a parallel region
itself, because OpenMP's thread pool does not survive a fork.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.cpu_meter import CpuMeter
from perfseer.measure.cuda_meter import CudaMeter, require_cuda
from perfseer.measure.fingerprint import fingerprint, usable_cores
from perfseer.measure.forked import die_with_parent, run_forked
from perfseer.measure.heap import release_free_heap
from perfseer.measure.meters import Meter
from perfseer.measure.outcomes import Outcome, guarded
from perfseer.measure.plan import Configuration
from perfseer.measure.process_memory import resident_memory
from perfseer.measure.settings import Protocol
from perfseer.measure.steps import Batch, make_step
from perfseer.targets import PHASES, Phase

CarryOut = Callable[[Meter, dict[str, Any]], Outcome]


def start(device_kind: str, threads: int) -> tuple[Meter, dict[str, Any]]:
    """Make the meter ready; the meter and the environment's fingerprint.

    Args:
        device_kind: ``cpu`` or ``cuda``.
        threads: wanted; on the cpu one core is left to the rest of the system, or whatever else runs would
            stop one thread and make all the others wait for it.

    Raises:
        PerfseerError: the machine lacks what the meter needs.
    """
    if device_kind == "cuda":
        require_cuda()
        return CudaMeter(), fingerprint("cuda", torch.get_num_threads())
    resident_memory()  # says at once if this system keeps no such counters
    threads = min(threads, max(usable_cores() - 1, 1))
    warm_libraries()
    torch.set_num_threads(threads)
    gc.collect()
    gc.freeze()  # so that collections in the children do not touch, and thereby copy, the inherited pages
    return CpuMeter(), fingerprint("cpu", threads)


def warm_libraries() -> None:
    """Run a tiny network on one thread, so that lazy imports and tables are inherited, not measured."""
    torch.set_num_threads(1)
    for phase in PHASES:
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        step = make_step(
            nn.Sequential(*layers, nn.Linear(4, 5)), Batch((2, 3, 8, 8), "fp32", "nchw", "cpu"), phase
        )
        step()
        step()


def measure(meter: Meter, request: dict[str, Any]) -> Outcome:
    """Carry out one request: one phase of one configuration.

    Args:
        meter: made ready by `start`.
        request: ``configuration``, ``phase``, ``protocol`` and ``timeout_s``.
    """
    configuration = Configuration.from_mapping(request["configuration"])
    phase: Phase = request["phase"]
    protocol = Protocol(**request["protocol"])
    batch = Batch(
        shape=(configuration.batch_size, *configuration.input_dimensions),
        precision=configuration.precision,
        memory_format=configuration.memory_format,
        device=meter.device_kind,
    )

    def work() -> dict[str, Any]:
        return asdict(meter.measure(builder(configuration), batch, phase, protocol))

    if not meter.forks:
        return guarded(work)
    release_free_heap()
    return run_forked(work, request["timeout_s"])


def builder(configuration: Configuration) -> Callable[[], nn.Module]:
    """What builds the configuration's model on the cpu, initialised as torch initialises its layers."""
    from perfseer.zoo.builder import build
    from perfseer.zoo.space import ArchitectureSpec

    torch.manual_seed(0)
    return lambda: build(ArchitectureSpec.from_json(configuration.model_spec))


def serve(requests: TextIO, answers: TextIO, carry_out: CarryOut = measure) -> None:
    """Answer requests until the collector closes the pipe.

    Args:
        requests: the collector's lines.
        answers: a line for each.
        carry_out: does what a request asks for, with the meter made ready by `start`.
    """

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, allow_nan=False) + "\n")
        answers.flush()

    hello = json.loads(requests.readline())
    try:
        meter, environment = start(hello["device"], hello["threads"])
    except PerfseerError as error:
        answer({"fault": str(error)})
        return
    answer({"environment": environment})
    for line in requests:
        request = json.loads(line)
        # The number tells the collector which request this answers.
        answer({"number": request.pop("number"), **asdict(carry_out(meter, request))})


def main(carry_out: CarryOut = measure) -> None:
    """Entry point; stdout belongs to the answers, so anything else printed goes to stderr."""
    die_with_parent(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers, carry_out)


if __name__ == "__main__":
    main()
