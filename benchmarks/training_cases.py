"""What `bench_training` times: our training loop beside `peer_formulation`, and ours without each gain.

Graphs, initial weights and order of rows are the same on all sides. Whole epochs are timed, batching and
optimiser included; the sides take turns, so that whatever else the machine does meets all of them.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from tests.helpers.synthetic import make_graph
from tests.helpers.synthetic_graphs import dataset_of
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import scatter, softmax

from benchmarks.peer_formulation import PeerSeerNet, PeerTraining
from perfseer.data.batches import BatchSource, GraphBatch
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.data.normalisation import FeatureNormaliser
from perfseer.nn import aggregation, rows
from perfseer.nn.seernet import SeerNet, SeerNetSwitches
from perfseer.training.loop import evaluate, make_optimiser, train_epoch
from perfseer.training.losses import mse
from perfseer.training.seeds import generator, seeded
from perfseer.training.settings import TrainingSettings

BATCH_SIZE, LEARNING_RATE, NODES, EDGES = 128, 1e-3, 100, 110
WIDTHS = (len(NODE_COLUMNS), len(EDGE_COLUMNS), len(GLOBAL_COLUMNS))


@dataclass(frozen=True, eq=False)
class Graphs:
    """Graphs of 100 nodes and 110 edges with one label, in the form that each side reads.

    Attributes:
        source: what our batches are cut from.
        labels: [n, 1] standardised logarithm of the sum over nodes of a roofline time.
        collated: the same graphs as PyTorch Geometric's objects.
    """

    source: BatchSource
    labels: Tensor
    collated: list[Data]

    @classmethod
    def make(cls, n_graphs: int) -> "Graphs":
        """``n_graphs`` random graphs, the same every time."""
        graphs = [make_graph(NODES, EDGES, seed) for seed in range(n_graphs)]
        data = dataset_of(graphs)
        source = BatchSource(data, FeatureNormaliser.fit(data.features, np.arange(n_graphs)))
        times = [
            np.maximum(graph.flops / 30, graph.input_bytes + graph.output_bytes).sum() for graph in graphs
        ]
        logs = torch.tensor(np.log(times)).float()
        labels = ((logs - logs.mean()) / logs.std()).unsqueeze(1)
        singles = [source.batch([row]) for row in range(n_graphs)]
        return cls(source, labels, [_data(batch, labels[row : row + 1]) for row, batch in enumerate(singles)])

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self.labels)

    def part(self, start: int, stop: int) -> "Examples":
        """Rows ``start`` to ``stop`` as `perfseer.training.loop` reads them."""
        return Examples(self, torch.arange(start, stop))


def _data(batch: GraphBatch, label: Tensor) -> Data:
    return Data(x=batch.nodes, edge_attr=batch.edges, edge_index=batch.edge_index, u=batch.globals_, y=label)


@dataclass(frozen=True, eq=False)
class Examples:
    """Some of the graphs; ``collate`` batches them by a `DataLoader` instead of by index operations."""

    graphs: Graphs
    rows: Tensor
    collate: bool = False

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def batch(self, chosen: Tensor) -> tuple[GraphBatch, Tensor]:
        """Graphs and labels [B, 1]."""
        numbers = self.rows[chosen]
        if self.collate:
            return self._collated(numbers.tolist())
        return self.graphs.source.batch(numbers), self.graphs.labels[numbers]

    def _collated(self, numbers: list[int]) -> tuple[GraphBatch, Tensor]:
        chosen = [self.graphs.collated[number] for number in numbers]
        data = next(iter(DataLoader(chosen, batch_size=len(chosen))))
        batch = GraphBatch(
            nodes=data.x,
            operators=data.x.new_zeros(len(data.x), dtype=torch.int64),
            edges=data.edge_attr,
            edge_index=data.edge_index,
            globals_=data.u,
            node_graph=data.batch,
            edge_graph=data.batch[data.edge_index[0]],
            n_graphs=data.num_graphs,
            ptr=data.ptr,
        )
        return batch, data.y


@dataclass(eq=False)
class Variant:
    """Our formulation, perhaps with one gain switched off.

    Attributes:
        gain: what is switched off; empty for all of ours.
        split: see `SeerNetSwitches`.
        collate: see `Examples`.
        fused: Adam in torch's fused form.
        patches: context managers under which it trains.
    """

    gain: str = ""
    split: bool = True
    collate: bool = False
    fused: bool = True
    patches: tuple[Callable[[], contextlib.AbstractContextManager[object]], ...] = ()
    network: SeerNet = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)

    def start(self, hidden: int) -> None:
        """Draw the initial weights, the same for every variant."""
        with seeded(0):
            self.network = SeerNet(*WIDTHS, SeerNetSwitches(hidden=hidden, split=self.split))
        self.optimiser = (
            make_optimiser(self.network, RECIPE)
            if self.fused
            else torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)
        )

    def epoch(self, graphs: Graphs, n_train: int, order: Tensor) -> None:
        """One pass over the training graphs."""
        examples = Examples(graphs, torch.arange(n_train), self.collate)
        with contextlib.ExitStack() as stack:
            for patch in self.patches:
                stack.enter_context(patch())
            train_epoch(self.network, mse, examples, order.split(BATCH_SIZE), self.optimiser)


RECIPE = TrainingSettings.model_validate(
    {
        "batch_size": BATCH_SIZE,
        "optimiser": "adam",
        "learning_rate": LEARNING_RATE,
        "weight_decay": 0,
        "lr_factor": 0.5,
        "lr_patience": 5,
        "lr_threshold": 1e-4,
        "lr_min": 1e-6,
        "max_epochs": 1,
        "patience": 1,
        "loss": "mse",
    }
)


def dense_max(values: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """`perfseer.nn.segments.linear_max` with autograd's gradient, over all rows."""
    mapped = F.linear(values, weight, bias)
    return scatter(mapped, segment, dim_size=n_segments, reduce="max")


def dense_scored_sum(
    values: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int
) -> Tensor:
    """`perfseer.nn.segments.scored_sum` with autograd's gradient."""
    scores = values @ weight + bias
    weighted = softmax(scores, segment, num_nodes=n_segments).unsqueeze(1) * values
    return scatter(weighted, segment, dim_size=n_segments, reduce="sum")


def dense_first(self: rows.Rows, weight: Tensor, index: Tensor | None = None) -> list[rows.Term]:
    """`perfseer.nn.rows.Rows.terms` with pending maps applied to every row."""
    return [rows.Term(self.dense(), weight, None, index)]


def variants() -> list[Variant]:
    """Ours, then ours without each gain."""

    def patch(
        target: object, name: str, value: object
    ) -> Callable[[], contextlib.AbstractContextManager[object]]:
        return functools.partial(mock.patch.object, target, name, value)

    return [
        Variant(),
        Variant("linear maps of concatenations split", split=False),
        Variant("pending maps composed", patches=(patch(rows.Rows, "terms", dense_first),)),
        Variant("narrow inputs in one product", patches=(patch(rows.Term, "narrow", False),)),
        Variant(
            "maximum's gradient along the rows that won",
            patches=(patch(aggregation, "linear_max", dense_max),),
        ),
        Variant(
            "softmax sum's gradient written out",
            patches=(patch(aggregation, "scored_sum", dense_scored_sum),),
        ),
        Variant("batches by index instead of collation", collate=True),
        Variant("fused Adam", fused=False),
    ]


@dataclass(frozen=True)
class Timing:
    """Seconds of one epoch: on the wall, and of the processor."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Timing:
    """Run ``work`` and time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True)
class Epoch:
    """Both sides after one epoch more: timings and validation losses."""

    ours: Timing
    peer: Timing
    our_loss: float
    peer_loss: float


def side_by_side(graphs: Graphs, n_train: int, hidden: int, epochs: int) -> Iterator[Epoch]:
    """Train both formulations in turns; who begins alternates."""
    ours = Variant()
    ours.start(hidden)
    peer = PeerTraining(
        PeerSeerNet.like(ours.network.state_dict(), WIDTHS, hidden),
        graphs.collated[:n_train],
        graphs.collated[n_train:],
        BATCH_SIZE,
        LEARNING_RATE,
    )
    valid, shuffling = graphs.part(n_train, len(graphs)), generator(0)
    for number in range(epochs):
        order = torch.randperm(n_train, generator=shuffling)
        work = [
            functools.partial(ours.epoch, graphs, n_train, order),
            functools.partial(peer.epoch, order.tolist()),
        ]
        turns = [0, 1] if number % 2 == 0 else [1, 0]
        timings = {turn: timed(work[turn]) for turn in turns}
        yield Epoch(timings[0], timings[1], evaluate(ours.network, mse, valid), peer.valid_loss())


def without_each_gain(graphs: Graphs, n_train: int, hidden: int, epochs: int) -> dict[str, list[Timing]]:
    """Epochs of every variant, all variants taking turns; the first epoch warms up and is left out."""
    cases = variants()
    for case in cases:
        case.start(hidden)
    timings: dict[str, list[Timing]] = {case.gain: [] for case in cases}
    shuffling = generator(0)
    for number in range(epochs + 1):
        order = torch.randperm(n_train, generator=shuffling)
        for case in cases:
            timing = timed(functools.partial(case.epoch, graphs, n_train, order))
            if number:
                timings[case.gain].append(timing)
    return timings
