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
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import Any, TextIO

import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.awake import AwakeClock
from perfseer.measure.compilation import require_compiler
from perfseer.measure.construction import (
    construct,
    construct_named,
    materialise,
    release,
    skeleton,
    warm_library,
)
from perfseer.measure.cpu_meter import CpuMeter
from perfseer.measure.cuda_meter import (
    CudaMeter,
    detach_profiler_after_use,
    require_cuda,
    require_profiler,
    require_undisturbed,
)
from perfseer.measure.fingerprint import fingerprint, usable_cores
from perfseer.measure.forked import die_with_parent, run_forked
from perfseer.measure.heap import release_free_heap
from perfseer.measure.meters import Meter
from perfseer.measure.outcomes import Outcome, guarded
from perfseer.measure.plan import Configuration
from perfseer.measure.process_memory import resident_memory
from perfseer.measure.settings import DeviceKind, Mode, Protocol
from perfseer.measure.steps import Batch, make_step
from perfseer.targets import PHASES, Phase

CarryOut = Callable[[Meter, dict[str, Any]], Outcome]
Work = Callable[[Callable[[], nn.Module]], dict[str, Any]]

# Smallest batch size at which a network did not fit, by everything else about configuration and phase.
_TOO_BIG: dict[tuple[Configuration, Phase], int] = {}


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
        require_undisturbed(os.environ)
        detach_profiler_after_use()
        require_profiler(warm_libraries("cuda"))
        settle_objects()
        return CudaMeter(), fingerprint("cuda", torch.get_num_threads())
    resident_memory()  # says at once if this system keeps no such counters
    threads = min(threads, max(usable_cores() - 1, 1))
    torch.set_num_threads(1)
    warm_libraries("cpu")
    torch.set_num_threads(threads)
    settle_objects()
    return CpuMeter(), fingerprint("cpu", threads)


def warm_libraries(device: DeviceKind, mode: Mode = "eager") -> Callable[[], None]:
    """Run a tiny network, so that lazy imports, tables and contexts are there before anything is measured.

    Returns:
        Its step in the last phase run.
    """
    for phase in PHASES:
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(4, 5))
        step = make_step(model, Batch((2, 3, 8, 8), "fp32", "nchw", device, mode), phase)
        step()
        step()
    return step


@lru_cache(maxsize=1)
def ready_compiler(device: DeviceKind) -> None:
    """Find out once whether this machine can compile, and load what compiling takes before any fork.

    Raises:
        PerfseerError: it lacks a compiler.
    """
    require_compiler(device)
    if device == "cpu":
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        warm_libraries("cpu", "compiled")
        torch.set_num_threads(threads)
        settle_objects()


def settle_objects() -> None:
    """Take every object there is out of garbage collection.

    Collections before a configuration then cost next to nothing, and in forked children they do not touch,
    and thereby copy, the inherited pages.
    """
    gc.collect()
    gc.freeze()


def measure(meter: Meter, request: dict[str, Any]) -> Outcome:
    """Carry out one request: one phase of one configuration.

    Args:
        meter: made ready by `start`.
        request: ``configuration``, ``phase``, ``protocol`` and ``timeout_s``.
    """
    configuration = Configuration.from_mapping(request["configuration"])
    phase: Phase = request["phase"]
    protocol = Protocol(**request["protocol"])
    batch = batch_of(configuration, meter.device_kind)
    try:
        if batch.mode == "compiled":
            ready_compiler(meter.device_kind)
    except PerfseerError as error:
        return Outcome("fault", str(error))

    def work(build: Callable[[], nn.Module]) -> dict[str, Any]:
        return asdict(meter.measure(build, batch, phase, protocol))

    if meter.forks:
        return measure_forked(work, configuration, batch, phase, request["timeout_s"])
    return measure_here(work, configuration, batch, phase)


def measure_forked(
    work: Work, configuration: Configuration, batch: Batch, phase: Phase, timeout_s: float
) -> Outcome:
    """Measure in a process forked for it.

    In mode ``compiled`` a process before that one compiles, for the compiler's cache on disk: else the
    compiler's own memory, tens of MiB, would count as the network's.

    Args:
        work: measures what it is given to build.
        configuration: the network.
        batch: what it is run on.
        phase: ``train`` or ``infer``.
        timeout_s: for both processes.
    """
    build = builder_of(configuration)
    release_free_heap()
    if batch.mode == "eager":
        return run_forked(lambda: work(build), timeout_s)
    clock = AwakeClock()
    begin = clock.read()
    compiling = run_forked(lambda: {"compiled": make_step(build(), batch, phase)()}, timeout_s)
    compile_s = clock.read() - begin
    if compiling.status != "ok":
        return compiling
    outcome = run_forked(lambda: work(build), max(timeout_s - compile_s, 0.01))
    if outcome.result is not None:
        outcome.result["seconds"]["compile"] = compile_s
    return outcome


def measure_here(work: Work, configuration: Configuration, batch: Batch, phase: Phase) -> Outcome:
    """Measure in this process; arguments as in `measure_forked`."""
    if refused := too_big(configuration, phase):
        return refused
    if configuration.model_spec:
        model = skeleton(configuration.model_spec, batch.precision, batch.memory_format)
        outcome = guarded(lambda: work(partial(materialise, model, batch.device)))
        release(model)
    else:
        outcome = guarded(lambda: work(builder_of(configuration)))
    if outcome.status == "oom":
        least = _TOO_BIG.get(_family(configuration, phase), configuration.batch_size)
        _TOO_BIG[_family(configuration, phase)] = min(least, configuration.batch_size)
    return outcome


def builder_of(configuration: Configuration) -> Callable[[], nn.Module]:
    """What builds a configuration's model on the cpu: its description, or its name where it has none."""
    if configuration.model_spec:
        return partial(construct, configuration.model_spec)
    if warm_library(configuration.model_ref.partition(":")[0]):
        settle_objects()
    return partial(construct_named, configuration.model_ref, configuration.input_dimensions)


def batch_of(configuration: Configuration, device: str) -> Batch:
    """What a configuration is run on, on ``device``."""
    return Batch(
        shape=(configuration.batch_size, *configuration.input_dimensions),
        precision=configuration.precision,
        memory_format=configuration.memory_format,
        device=device,
        mode=configuration.mode,
    )


def too_big(configuration: Configuration, phase: Phase) -> Outcome | None:
    """The outcome of a configuration that need not be tried, since less of it ran out of memory already.

    Where phases share a process, that process remembers at which batch size a network did not fit; a fresh
    one (``--retry-failed``) tries again.
    """
    least = _TOO_BIG.get(_family(configuration, phase))
    if least is None or configuration.batch_size <= least:
        return None
    return Outcome("oom", f"not tried, since batch size {least} of the same network ran out of memory")


def _family(configuration: Configuration, phase: Phase) -> tuple[Configuration, Phase]:
    """What configurations that differ in nothing but the batch size have in common."""
    return replace(configuration, batch_size=0, order=0), phase


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
