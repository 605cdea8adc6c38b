"""Tables of single operators: their graphs, what of them cannot be, and some of many."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, NO_GRAPH, Progress, prepare_worker
from perfseer.data.devices import device_spec
from perfseer.data.packed import PackedGraphs
from perfseer.data.processes import mapper
from perfseer.errors import PerfseerError, require

PREFIX = "operator:"
_PRELOAD = ("perfseer.graphs.capture", "perfseer.zoo.operators")
_PORTION = 500
# Winograd's F(4x4, 3x3) does with a quarter of the multiplications that are counted.
_FEWER_PRODUCTS = {"conv": 4.0}
# Data sheets round, and caches feed small operands faster than memory does.
_SLACK = 1.05


def operator_graphs(
    table: pd.DataFrame, workers: int = 1, progress: Progress | None = None
) -> tuple[PackedGraphs, pd.DataFrame]:
    """Capture every distinct operator of a table once, forward alone: about a millisecond each.

    Args:
        table: columns `KEY`; references are ``operator:<call>`` (`zoo.operators`).
        workers: processes.
        progress: called with operators done and operators there are.

    Returns:
        Packed graphs, and which is of which row (`INDEX_COLUMNS`), sorted by key.

    Raises:
        PerfseerError: no graph could be captured, or a worker died.
    """
    keys = table[list(KEY)].drop_duplicates().sort_values(list(KEY), ignore_index=True)
    calls = keys["model_ref"].str.removeprefix(PREFIX).drop_duplicates().tolist()
    portions = [calls[start : start + _PORTION] for start in range(0, len(calls), _PORTION)]
    packed: list[PackedGraphs] = []
    reasons: list[str] = []
    with mapper(workers, "captures operators", _PRELOAD, prepare_worker) as apply:
        for graphs, failed in apply(_captured, portions):
            packed.append(graphs)
            reasons += failed
            if progress is not None:
                progress(len(reasons), len(calls))
    found = np.array([reason == "" for reason in reasons], dtype=bool)
    require(bool(found.any()), f"no operator could be captured; the first reason: {next(iter(reasons), '')}")
    numbers = dict(zip(calls, np.where(found, np.cumsum(found) - 1, NO_GRAPH).tolist(), strict=True))
    why = dict(zip(calls, [reason or None for reason in reasons], strict=True))
    names = keys["model_ref"].str.removeprefix(PREFIX)
    index = keys.assign(graph=names.map(numbers).astype("int64"), reason=names.map(why).astype(object))
    return PackedGraphs.concatenate(packed), index[list(INDEX_COLUMNS)]


def _captured(calls: Sequence[str]) -> tuple[PackedGraphs, list[str]]:
    """Graphs of those that can be captured, and why the others cannot; empty for the former."""
    import torch

    from perfseer.graphs.capture import capture
    from perfseer.zoo.operators import parse

    graphs, reasons = [], []
    for text in calls:
        try:
            call = parse(text)
            with torch.device("meta"):
                graphs.append(capture(call.module(), call.inputs(), backward=False))
            reasons.append("")
        except PerfseerError as error:
            reasons.append(str(error))
    return PackedGraphs.pack(graphs), reasons


def work_of(calls: "pd.Series[str]") -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """[n] floating-point operations of products, and [n] bytes that are read at least, of calls.

    Raises:
        PerfseerError: one is no call of an operator.
    """
    from perfseer.zoo.operators import parse

    distinct = {text: parse(text) for text in calls.unique()}
    flops = calls.map({text: call.flops for text, call in distinct.items()}).to_numpy(dtype=np.float64)
    read = calls.map({text: call.read_bytes for text, call in distinct.items()}).to_numpy(dtype=np.float64)
    return flops, read


def impossible(
    operators: "pd.Series[str]",
    devices: "pd.Series[str]",
    precision: str,
    flops: npt.NDArray[np.float64],
    read_bytes: npt.NDArray[np.float64],
    times_ms: npt.NDArray[np.float64],
) -> npt.NDArray[np.object_]:
    """[n] why a time cannot be right on its device; empty where it can.

    An operator takes longer than its arithmetic at the device's peak; and than reading what it reads at the
    memory's rate, where that is more than the last-level cache holds; and it fits into the memory.

    Args:
        operators: [n] names of `zoo.operators`.
        devices: [n] names; of one that the catalogue does not have nothing is known to be impossible.
        precision: of the arithmetic.
        flops: [n] floating-point operations.
        read_bytes: [n] bytes read at least.
        times_ms: [n] milliseconds.
    """
    reasons = np.full(len(operators), "", dtype=object)
    fewer = operators.map(_FEWER_PRODUCTS).fillna(1.0).to_numpy(dtype=np.float64)
    seconds = times_ms / 1e3
    for device in devices.unique():
        spec = device_spec(device)
        if spec is None:
            continue
        here = (devices == device).to_numpy()
        too_fast = flops / fewer > _SLACK * spec.peak_flops(precision) * seconds
        streamed = read_bytes > 2 * spec.l2_bytes
        too_much = streamed & (read_bytes > _SLACK * spec.bandwidth_bytes_per_s * seconds)
        reasons[here & too_fast] = "faster than the device's peak"
        reasons[here & too_much] = "faster than the device's memory"
        reasons[here & (read_bytes > (spec.memory_bytes or np.inf))] = "larger than the device's memory"
    return reasons


def spread_sample(
    groups: "pd.Series[str]", times_ms: npt.NDArray[np.float64], rows: int, seed: int
) -> npt.NDArray[np.int64]:
    """Some of many rows, of all groups and of all sizes.

    A group's share goes with the square root of its rows; within it every octave of times gives as many, or
    all it has. So the few that take longest stand beside the many that wait for their launch.

    Args:
        groups: [n] such as operator and device.
        times_ms: [n] positive.
        rows: how many; all if there are no more.
        seed: of the choice.

    Returns:
        Positions, ascending.
    """
    if rows >= len(groups):
        return np.arange(len(groups))
    frame = pd.DataFrame({"group": groups.to_numpy(), "octave": np.floor(np.log2(times_ms))})
    shuffled = frame.sample(frac=1.0, random_state=seed)
    turn = shuffled.groupby(["group", "octave"]).cumcount()
    ordered = shuffled.loc[turn.sort_values(kind="stable").index]
    quota = _quotas(frame.groupby("group").size(), rows)
    place = ordered.groupby("group").cumcount()
    chosen = ordered.index[(place < ordered["group"].map(quota)).to_numpy()]
    return np.sort(chosen.to_numpy(dtype=np.int64))


def sampled(rows: pd.DataFrame, label: str, n: int, seed: int) -> pd.DataFrame:
    """Some of the measured rows, by `spread_sample` over operators and devices.

    Args:
        rows: columns ``family``, ``device``, ``status`` and the label.
        label: its name.
        n: how many; all measured ones if there are no more.
        seed: of the choice.

    Raises:
        PerfseerError: ``n`` is not positive.
    """
    require(n > 0, f"a sample of {n} operators: expected at least 1")
    sound = rows[rows["status"] == "ok"].reset_index(drop=True)
    groups = sound["family"] + " " + sound["device"]
    chosen: pd.DataFrame = sound.iloc[
        spread_sample(groups, sound[label].to_numpy(dtype=np.float64), n, seed)
    ].reset_index(drop=True)
    return chosen


def _quotas(sizes: "pd.Series[int]", rows: int) -> "pd.Series[int]":
    """How many of each group: in proportion to the root of its size, at most all, ``rows`` in sum."""
    low, high = 0.0, float(rows)
    for _ in range(60):
        middle = (low + high) / 2
        total = np.minimum(sizes, middle * np.sqrt(sizes)).sum()
        low, high = (middle, high) if total < rows else (low, middle)
    shares = pd.Series(np.minimum(sizes, high * np.sqrt(sizes)), index=sizes.index)
    whole = shares.astype(int)
    rest = (
        (shares - whole).sort_values(ascending=False, kind="stable").index[: max(rows - int(whole.sum()), 0)]
    )
    whole.loc[rest] += 1
    return whole.clip(upper=sizes)


def merged_repeats(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, int]:
    """One row for each operator and device: of those timed more than once the median of the times.

    Args:
        table: columns `KEY`, ``Device``, ``status``, ``infer_iterations`` and the label; failed rows stay
            apart.
        name: of the label.

    Returns:
        The rows, where the first of each stood, with ``iterations`` of all; and how many repeats there were.
    """
    same = [*KEY, "Device", "status"]
    ok = table["status"] == "ok"
    times = table.groupby(same, sort=False)[name].transform("median").where(ok, table[name])
    iterations = table.groupby(same, sort=False)["infer_iterations"].transform("sum")
    iterations = iterations.where(ok, table["infer_iterations"])
    again = ok & table.duplicated(same)
    merged = table.assign(**{name: times, "infer_iterations": iterations})[~again].reset_index(drop=True)
    return merged, int(again.sum())
