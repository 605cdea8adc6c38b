"""Training speed: ours beside SeerNet's equations as they read, in one process.

``python -m benchmarks.bench_training`` prints the tables of docs/speed.md (``--help`` for sizes); under
pytest a short run holds the ratio. Processor time stands beside wall time: it counts what was computed
whatever else the machine did meanwhile.
"""

import argparse
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate

import pytest
import torch

from benchmarks.training_cases import EDGES, NODES, Epoch, Graphs, Timing, side_by_side, without_each_gain
from perfseer.measure.heap import keep_freed_blocks

# Validation losses of equal functions differ by rounding, which training amplifies from epoch to epoch.
LOSS_TOLERANCE = 0.02
VALID_GRAPHS = 128


@pytest.mark.parametrize("hidden", [64, 256])
def test_ours_trains_the_same_function_faster(hidden):
    """A loose bound: CPU time of three epochs of four batches, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    epochs = list(side_by_side(Graphs.make(512 + VALID_GRAPHS), 512, hidden, 3))
    torch.set_num_threads(threads)
    print("", *epoch_table(epochs, 512), sep="\n")
    for epoch in epochs:
        assert epoch.our_loss == pytest.approx(epoch.peer_loss, rel=LOSS_TOLERANCE)
    assert statistics.median(epoch.peer.cpu / epoch.ours.cpu for epoch in epochs) > 2


def epoch_table(epochs: Sequence[Epoch], n_graphs: int) -> Iterator[str]:
    """Lines of Markdown: an epoch a row; seconds add up, so a row is also the time to its validation loss."""
    pairs = ("graphs/s", "s so far", "validation loss")
    columns = [f"{side}, {quantity}" for quantity in pairs for side in ("ours", "peer")]
    yield "| epoch | " + " | ".join([*columns, "ratio, wall", "ratio, processor"]) + " |"
    yield "|--:" * (len(columns) + 3) + "|"
    ours = accumulate(epoch.ours.wall for epoch in epochs)
    peer = accumulate(epoch.peer.wall for epoch in epochs)
    for number, (epoch, our_s, peer_s) in enumerate(zip(epochs, ours, peer, strict=True), 1):
        cells = [f"{n_graphs / timing.wall:.0f}" for timing in (epoch.ours, epoch.peer)]
        cells += [f"{our_s:.1f}", f"{peer_s:.1f}", f"{epoch.our_loss:.6f}", f"{epoch.peer_loss:.6f}"]
        cells += [f"{epoch.peer.wall / epoch.ours.wall:.2f}", f"{epoch.peer.cpu / epoch.ours.cpu:.2f}"]
        yield f"| {number} | " + " | ".join(cells) + " |"


def summary(epochs: Sequence[Epoch], n_graphs: int) -> str:
    """One line: medians and ranges over all epochs but the first, which warms up."""
    counted = epochs[1:]
    ours = statistics.median(n_graphs / epoch.ours.wall for epoch in counted)
    peer = statistics.median(n_graphs / epoch.peer.wall for epoch in counted)
    wall = spread([epoch.peer.wall / epoch.ours.wall for epoch in counted])
    cpu = spread([epoch.peer.cpu / epoch.ours.cpu for epoch in counted])
    return f"{ours:.0f} against {peer:.0f} graphs/s; {wall} times as fast, {cpu} by processor time"


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def gain_table(timings: dict[str, list[Timing]]) -> Iterator[str]:
    """Lines of Markdown: how much longer an epoch takes without each gain, all others in place."""
    yield "| without | epoch takes, wall | epoch takes, processor |"
    yield "|---|--:|--:|"
    all_gains = timings[""]
    for gain, without in timings.items():
        pairs = list(zip(without, all_gains, strict=True))
        wall = spread([one.wall / all_.wall for one, all_ in pairs])
        cpu = spread([one.cpu / all_.cpu for one, all_ in pairs])
        if gain:
            yield f"| {gain} | {wall} times as long | {cpu} times as long |"


def arguments() -> argparse.Namespace:
    """Sizes of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 64], help="columns of hidden vectors")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="the gains take the first")
    parser.add_argument("--graphs", type=int, default=1024, help="training graphs")
    parser.add_argument("--epochs", type=int, default=6, help="the first warms up")
    parser.add_argument("--default-heap", action="store_true", help="leave freed memory to malloc's defaults")
    return parser.parse_args()


def main() -> None:
    """Print every table."""
    given = arguments()
    heap = "malloc's defaults" if given.default_heap or not keep_freed_blocks() else "freed memory kept"
    print(f"{platform.machine()}, torch {torch.__version__}, {heap}")
    print(f"{given.graphs} graphs of {NODES} nodes and {EDGES} edges")
    graphs = Graphs.make(given.graphs + VALID_GRAPHS)
    for hidden in given.hidden:
        for threads in given.threads:
            torch.set_num_threads(threads)
            epochs = list(side_by_side(graphs, given.graphs, hidden, given.epochs))
            print(f"\n### hidden {hidden}, {threads} thread(s)\n\n{summary(epochs, given.graphs)}\n")
            print(*epoch_table(epochs, given.graphs), sep="\n")
        torch.set_num_threads(given.threads[0])
        timings = without_each_gain(graphs, given.graphs // 2, hidden, given.epochs - 1)
        print("", *gain_table(timings), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
