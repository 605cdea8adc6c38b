"""Timing one kernel, or a pair of operators, in the calling process."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.graphs.kernels import OPTIMISER
from perfseer.measure.cpu_meter import time_on_cpu
from perfseer.measure.cuda_meter import time_on_cuda
from perfseer.measure.foreign_load import ForeignLoad
from perfseer.measure.kernels.modules import Configuration, Recipe, kernel_recipe, parameter_shapes
from perfseer.measure.meters import Timing
from perfseer.measure.settings import DeviceKind, MemoryFormat, Precision, Protocol
from perfseer.measure.steps import LEARNING_RATE, MOMENTUM, Batch, autocast, declare_precision
from perfseer.targets import Phase

Step = Callable[[], None]
# Small kernels are repeated until an iteration takes about this long.
_ITERATION_MS = 1.0
# A burst of the fusion test is at least this long, so that the clock's own cost does not count.
_BURST_S = 0.001


@dataclass(frozen=True)
class Place:
    """Where and in which number format kernels run.

    Attributes:
        device: ``cpu`` or ``cuda``.
        precision: as in `measure.settings.CollectSettings`.
        memory_format: likewise.
    """

    device: DeviceKind
    precision: Precision
    memory_format: MemoryFormat

    def batch(self, shape: tuple[int, ...]) -> Batch:
        """A batch of ``shape`` in this place."""
        return Batch(shape, self.precision, self.memory_format, self.device)

    def finish(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def time_kernel(
    name: str, configuration: Configuration, phase: Phase, place: Place, protocol: Protocol, copies: int
) -> dict[str, Any]:
    """Time one kernel in one phase.

    A training iteration is forward and backward pass. Independent copies, each with inputs of its own, run in
    one iteration, so that entering autograd is paid once for several kernels, as in a network; times are per
    copy. The copies are run again and again, so what fits the caches is read from them.

    Args:
        name: operators joined by ``+``, or `OPTIMISER`.
        configuration: by `graphs.kernels.CONFIGURATION`.
        phase: ``train`` or ``infer``.
        place: device and formats.
        protocol: warm-up and stopping rule.
        copies: at most.

    Returns:
        Median and interval in ms, iterations, copies, cores that other processes kept busy.
    """
    declare_precision(place.precision)
    step = make_kernel_step(name, configuration, phase, place, 1)
    wanted = 1 if name == OPTIMISER else _copies(step, place, copies)
    if wanted > 1:
        step = make_kernel_step(name, configuration, phase, place, wanted)
    foreign = ForeignLoad()
    summary = _timing(step, place, protocol).summary(protocol.confidence)
    times = {key: None if value is None else value / wanted for key, value in summary.items() if "_ms" in key}
    return {**summary, **times, "copies": wanted, "foreign_cores": foreign.cores()}


def _timing(step: Step, place: Place, protocol: Protocol) -> Timing:
    if place.device == "cuda":
        return time_on_cuda(step, protocol)
    return time_on_cpu(step, protocol, torch.get_num_threads())[0]


def _copies(step: Step, place: Place, most: int) -> int:
    for _ in range(2):  # the first run builds kernels
        start = time.perf_counter()
        step()
        place.finish()
        elapsed_ms = (time.perf_counter() - start) * 1e3
    return max(1, min(most, round(_ITERATION_MS / elapsed_ms)))


def make_kernel_step(
    name: str, configuration: Configuration, phase: Phase, place: Place, copies: int
) -> Step:
    """One iteration of ``copies`` independent kernels."""
    if name == OPTIMISER:
        return _optimiser_step(configuration, place)
    recipe = kernel_recipe(name, configuration)
    instances = [_instance(recipe, phase, place) for _ in range(copies)]
    if phase == "infer":
        return _forward_step(instances, place)
    return _training_step(instances, place)


def _instance(recipe: Recipe, phase: Phase, place: Place) -> tuple[nn.Module, list[Tensor]]:
    batches = [place.batch(shape) for shape in recipe.shapes]
    module = batches[0].place(recipe.build()).train(phase == "train")
    return module, [batch.inputs().requires_grad_(phase == "train") for batch in batches]


def _forward_step(instances: Sequence[tuple[nn.Module, list[Tensor]]], place: Place) -> Step:
    batch = place.batch(())

    def step() -> None:
        with torch.inference_mode(), autocast(batch):
            for module, inputs in instances:
                module(*inputs)

    return step


def _training_step(instances: Sequence[tuple[nn.Module, list[Tensor]]], place: Place) -> Step:
    batch = place.batch(())
    leaves = [tensor for module, inputs in instances for tensor in (*inputs, *module.parameters())]
    gradients: list[Tensor] = []

    def step() -> None:
        with autocast(batch):
            outputs = [module(*inputs) for module, inputs in instances]
        if not gradients:
            gradients.extend(torch.randn_like(output) for output in outputs)
        torch.autograd.grad(outputs, leaves, gradients)

    return step


def _optimiser_step(configuration: Configuration, place: Place) -> Step:
    """SGD with momentum, as `measure.steps` trains, on tensors of equal size."""
    dtype = torch.bfloat16 if place.precision == "bf16" else torch.float32
    shapes = parameter_shapes(configuration)
    parameters = [nn.Parameter(torch.zeros(shape, dtype=dtype, device=place.device)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimiser = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)

    def step() -> None:
        optimiser.step()

    return step


def time_in_turn(recipes: Mapping[str, Recipe], place: Place, repetitions: int) -> dict[str, list[float]]:
    """Time several modules in turn, ABC CAB…, so that whatever disturbs the machine meets all of them.

    The order within a turn is drawn anew each time: in a fixed one, a disturbance that comes at regular
    intervals would always meet the same module.

    Args:
        recipes: what to run, in inference, by name.
        place: device and formats.
        repetitions: of every module.

    Returns:
        Milliseconds of one run, ``repetitions`` numbers by name.
    """
    declare_precision(place.precision)
    steps = {
        name: _forward_step([_instance(recipe, "infer", place)], place) for name, recipe in recipes.items()
    }
    bursts = {name: _burst(step, place) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    draw = random.Random(0).random
    for _ in range(repetitions):
        for name in sorted(steps, key=lambda _: draw()):
            times[name].append(_burst_ms(steps[name], place, bursts[name]))
    return times


def _burst(step: Step, place: Place) -> int:
    """Runs that take at least `_BURST_S`."""
    _burst_ms(step, place, 3)
    single = statistics.median(_burst_ms(step, place, 1) for _ in range(3))
    return max(1, round(_BURST_S * 1e3 / single))


def _burst_ms(step: Step, place: Place, runs: int) -> float:
    place.finish()
    start = time.perf_counter()
    for _ in range(runs):
        step()
    place.finish()
    return (time.perf_counter() - start) * 1e3 / runs
