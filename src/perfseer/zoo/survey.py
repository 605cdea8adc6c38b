"""What the search space costs at the paper's own setting: FLOPs, bytes moved, parameters (METHODS 1.1).

Nothing is measured: networks are captured on the meta device. Of one network, FLOPs and activation bytes are
proportional to the batch size and weight bytes do not depend on it, so two batch sizes give all others
exactly.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.lifeline import end_with, this_process
from perfseer.settings import Section, check_bounds, check_range, described, number
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import MIN_RESOLUTION, ArchitectureSpec, SearchSpace, check_interval, n_parameters

CAPTURED_BATCH_SIZES = (1, 2)
STYLE_COLUMNS = ("style_1", "style_2", "style_3", "style_4")
COLUMNS = ("architecture", "family", *STYLE_COLUMNS, "batch_size", "flops", "bytes", "n_parameters")


@dataclass(frozen=True, kw_only=True)
class SurveySettings(Section):
    """Section ``survey`` of params.yaml: where it differs from section ``zoo``, and how much is captured."""

    section: ClassVar[str] = "survey"

    architectures: int = number("networks captured", ge=1, le=100_000)
    resolution: int = number("height and width of the input [pixels]", ge=MIN_RESOLUTION, le=2048)
    n_classes: int = number("outputs of the head", ge=1, le=1_000_000)
    depth: tuple[int, int] = described("fewest and most blocks of a stage, inclusive")
    width: tuple[int, int] = described("as in section zoo")
    batch_sizes: tuple[int, ...] = described("batch sizes each network counts with")

    def __post_init__(self) -> None:
        check_bounds(self)
        check_interval("depth", self.depth, ge=1, le=64)
        check_interval("width", self.width, ge=8, le=8192, multiple_of=8)
        if not self.batch_sizes:
            raise ValueError("batch_sizes is empty, expected at least one")
        for size in self.batch_sizes:
            check_range("batch_sizes", size, ge=1, le=2**20)

    def space(self, zoo: SearchSpace) -> SearchSpace:
        """``zoo`` at the setting of the survey."""
        fields = ("resolution", "n_classes", "depth", "width")
        return replace(zoo, **{name: getattr(self, name) for name in fields})


def survey(
    zoo: SearchSpace,
    settings: SurveySettings,
    *,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Capture the first networks of the space and count them at every batch size.

    Args:
        zoo: the search space, seed included.
        settings: where the survey differs from it.
        workers: processes that capture.
        advance: called after each network, for a progress bar.

    Returns:
        One row per network and batch size, columns `COLUMNS`; ``flops`` and ``bytes`` are those of one
        forward pass of the whole batch.

    Raises:
        PerfseerError: the space has fewer networks, or ``workers`` is not positive.
    """
    require(workers >= 1, f"workers is {workers}, expected at least 1")
    space = settings.space(zoo)
    specs = sample(space, settings.architectures)
    totals = np.empty((len(specs), len(CAPTURED_BATCH_SIZES), 2), dtype=np.int64)
    for index, counted in enumerate(_captured(specs, space, workers)):
        totals[index] = counted
        advance()
    return _table(specs, totals, np.asarray(settings.batch_sizes, dtype=np.int64))


def forward_totals(spec: ArchitectureSpec, resolution: int) -> list[tuple[int, int]]:
    """(FLOPs, bytes moved) of one forward pass at each of `CAPTURED_BATCH_SIZES`."""
    import torch

    from perfseer.graphs.capture import capture
    from perfseer.zoo.builder import build

    torch.set_num_threads(1)  # nothing is computed on the meta device
    with torch.device("meta"):
        module = build(spec)
        inputs = [torch.empty(b, spec.in_channels, resolution, resolution) for b in CAPTURED_BATCH_SIZES]
    graphs = [capture(module, (batch,), backward=False) for batch in inputs]
    return [(graph.total_flops, graph.total_bytes) for graph in graphs]


def _captured(
    specs: list[ArchitectureSpec], space: SearchSpace, workers: int
) -> Iterator[list[tuple[int, int]]]:
    resolutions = [space.resolution] * len(specs)
    if workers == 1:
        yield from map(forward_totals, specs, resolutions)
        return
    # A fork server imports torch once for all workers; forking this process could copy held locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["perfseer.graphs.capture", "perfseer.zoo.builder"])
    try:
        with ProcessPoolExecutor(workers, context, end_with, (this_process(),)) as pool:
            yield from pool.map(forward_totals, specs, resolutions, chunksize=4)
    except BrokenProcessPool as error:
        raise PerfseerError(
            "a capturing process died (out of memory?); try again with --workers 1"
        ) from error


def _table(specs: list[ArchitectureSpec], totals: np.ndarray, batch_sizes: np.ndarray) -> pd.DataFrame:
    """One row per network and batch size; ``totals``: [network, captured batch size, (FLOPs, bytes)]."""
    first, second = totals[:, 0, None], totals[:, 1, None]
    all_totals = first + (second - first) * (batch_sizes[None, :, None] - CAPTURED_BATCH_SIZES[0])
    per_network = pd.DataFrame(
        {
            "architecture": [spec.id for spec in specs],
            "family": [spec.family for spec in specs],
            **{name: [spec.stages[i].style for spec in specs] for i, name in enumerate(STYLE_COLUMNS)},
            "n_parameters": [n_parameters(spec) for spec in specs],
        }
    )
    rows = per_network.loc[per_network.index.repeat(len(batch_sizes))].reset_index(drop=True)
    rows["batch_size"] = np.tile(batch_sizes, len(specs))
    rows[["flops", "bytes"]] = all_totals.reshape(-1, 2)
    return rows[list(COLUMNS)]
