"""Building graphs: one PerfGraph per distinct model, input and batch size of a measurement table."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from perfseer.data.packed import PackedGraphs
from perfseer.data.processes import mapper
from perfseer.errors import require
from perfseer.graphs.perfgraph import PerfGraph

KEY: tuple[str, ...] = ("model_ref", "input_shape", "batch_size")
INDEX_COLUMNS: tuple[str, ...] = (*KEY, "graph", "reason")
NO_GRAPH = -1
PRELOAD = ("perfseer.graphs.capture", "perfseer.zoo.references")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Captured:
    """What became of one configuration: its graph, or why there is none."""

    graph: PerfGraph | None
    reason: str | None


def build_graphs(
    measurements: pd.DataFrame, workers: int = 1, progress: Progress | None = None
) -> tuple[PackedGraphs, pd.DataFrame]:
    """Capture the graphs of a measurement table on the meta device, forward and backward.

    Args:
        measurements: columns ``model_ref``, ``model_spec``, ``input_shape`` (``3x64x64``), ``batch_size``.
        workers: processes; 1 captures in this one.
        progress: called with models done and models there are.

    Returns:
        The packed graphs, and the index: `KEY`, ``graph`` (number in the store, `NO_GRAPH` where capture
        failed) and ``reason`` (why it failed, else missing). Sorted by key, so independent of row order.

    Raises:
        PerfseerError: a column is missing, no graph at all could be captured, or a worker died.
    """
    tasks = _tasks(measurements)
    captured: list[Captured] = []
    with mapper(workers, "captures graphs", PRELOAD, prepare_worker) as apply:
        for done, results in enumerate(apply(_capture_model, [task for _, task in tasks]), start=1):
            captured.extend(results)
            if progress is not None:
                progress(done, len(tasks))
    index = pd.DataFrame([key for keys, _ in tasks for key in keys], columns=list(KEY))
    found = pd.Series([result.graph is not None for result in captured], dtype=bool)
    index["graph"] = (found.cumsum() - 1).where(found, NO_GRAPH).astype("int64")
    index["reason"] = pd.Series([result.reason for result in captured], dtype=object)
    first = captured[0].reason if captured else "no row names a model, an input shape and a batch size"
    require(bool(found.any()), f"no graph could be captured; the first reason: {first}")
    return PackedGraphs.pack([result.graph for result in captured if result.graph is not None]), index


@dataclass(frozen=True)
class Task:
    """One model at one input shape and precision, and the batch sizes to capture it at."""

    model_ref: str
    input_shape: str
    precision: str
    batch_sizes: tuple[int, ...]
    model_spec: str | None = None

    @property
    def inputs(self) -> list[tuple[int, ...]]:
        """Shapes of its inputs, the batch first."""
        shape = tuple(int(size) for size in self.input_shape.split("x"))
        return [(size, *shape) for size in self.batch_sizes]

    def model(self) -> Any:
        """The `nn.Module`, or `Captured` with the reason why it cannot be built."""
        from perfseer.zoo.references import build

        try:
            return build(self.model_ref, spec_json=self.model_spec, input_shape=self.inputs[0][1:])
        except Exception as error:  # any model may fail in any way; the reason goes to index and quarantine
            return Captured(None, describe_failure("building the model", error))


def _tasks(measurements: pd.DataFrame) -> list[tuple[list[tuple[str, str, int]], Task]]:
    """The keys and the task of every model and input shape, sorted."""
    missing = [name for name in (*KEY, "model_spec") if name not in measurements.columns]
    require(not missing, f"the measurement table lacks the columns {missing}: run `perfseer collect` again")
    require(len(measurements) > 0, "the measurement table has no rows: run `perfseer collect` first")
    distinct = measurements[_has_key(measurements)].astype({"batch_size": "int64"})
    distinct = distinct.drop_duplicates(list(KEY)).sort_values(list(KEY))
    tasks = []
    for _, group in distinct.groupby(["model_ref", "input_shape"], sort=True):
        ref, shape = str(group["model_ref"].iloc[0]), str(group["input_shape"].iloc[0])
        sizes = tuple(int(size) for size in group["batch_size"])
        spec = next((text for text in group["model_spec"] if isinstance(text, str) and text), None)
        tasks.append(([(ref, shape, size) for size in sizes], Task(ref, shape, "fp32", sizes, spec)))
    return tasks


def _has_key(measurements: pd.DataFrame) -> "pd.Series[bool]":
    """Rows that name a model, a shape and a batch size; ``perfseer dataset`` quarantines the others."""
    named = [measurements[name].map(lambda value: isinstance(value, str)) for name in KEY[:2]]
    sizes = pd.to_numeric(measurements["batch_size"], errors="coerce")
    return named[0] & named[1] & (sizes > 0) & (sizes % 1 == 0) & (sizes < 2**31)


def prepare_worker() -> None:
    """Processes share the cores among them, so each has one thread."""
    import torch

    torch.set_num_threads(1)


def _capture_model(task: Task) -> list[Captured]:
    """Build a model once and capture it at each of its batch sizes."""
    module = task.model()
    if isinstance(module, Captured):
        return [module] * len(task.batch_sizes)
    return [capture_at(module, shape) for shape in task.inputs]


def capture_at(
    module: Any, shape: tuple[int, ...], *, backward: bool = True, precision: str = "fp32"
) -> Captured:
    """Capture a module at one input; any fault becomes a reason.

    Args:
        module: an `nn.Module`; cast for the precisions that are no automatic mixed ones.
        shape: of the input, the batch first.
        backward: whether to trace a training step.
        precision: ``fp32``, ``amp-fp16``, ``amp-bf16``, ``fp16`` or ``bf16``.
    """
    import torch

    from perfseer.graphs.capture import capture

    try:
        kind, _, lower = precision.rpartition("-")
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[lower]
        inputs = torch.empty(shape, device="meta", dtype=torch.float32 if kind else dtype)
        found = capture(
            module if kind else module.to(dtype),
            (inputs,),
            backward=backward,
            autocast=dtype if kind else None,
        )
        return Captured(found, None)
    except Exception as error:
        return Captured(None, describe_failure("capturing the graph", error))


def describe_failure(step: str, error: Exception) -> str:
    """What failed and why, on one line."""
    logging.getLogger(__name__).debug("%s failed", step, exc_info=error)
    first, *_ = str(error).splitlines() or [""]
    return f"{step}: {type(error).__name__}: {first[:300]}"
