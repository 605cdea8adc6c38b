"""From the name of ResNet-50 to its answer: ``python -m benchmarks.bench_predict [PREDICTOR]``.

Prints medians and ranges of each part in a warm process on one thread. The aims: under 100 ms from the name
to the answer, at most 1 ms for the forward pass of the predictor once features are there. What seernet_x says
of a dataset is kept, so its features and forward pass are timed on their own, not through ``predict``.
"""

import statistics
import sys
from collections.abc import Callable
from time import perf_counter, process_time

import pytest
import torch
from tests.helpers.forecasts import law

from perfseer.data.dataset import Dataset
from perfseer.data.features import graph_features
from perfseer.data.packed import PackedGraphs
from perfseer.forecast.ask import Ask
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.inputs import Feed
from perfseer.forecast.models import open_model
from perfseer.forecast.platform_choice import Wanted
from perfseer.forecast.predictor import Predictor
from perfseer.forecast.shelf import DEFAULT, shipped
from perfseer.predictors import base
from perfseer.predictors.library.seernet_x import SeerNetXPredictor
from perfseer.predictors.parts.platforms.tables import platform_table

ROUNDS, WARM_UP = 15, 3
REFERENCE = "module:perfseer.zoo.reference.resnet50"


def parts(predictor: Predictor, name: str) -> dict[str, Callable[[], object]]:
    """What an answer consists of, each with what comes before it done already."""
    feed = Feed(shapes=((3, 224, 224),))
    model = open_model(name, feed)
    graph = model.captured(32, backward=True).graph
    packed = PackedGraphs.pack([graph])
    platform = predictor.platforms[0] if predictor.platforms else None
    dataset = unlabelled(graph, [platform])
    _ = dataset.features  # computed once and kept
    ask = Ask((32,), wanted=Wanted(), feed=feed)
    return {
        "build the model": lambda: open_model(name, feed),
        "capture its forward pass": lambda: model.captured(32, backward=False),
        "capture both passes": lambda: model.captured(32, backward=True),
        "features of the graph": lambda: graph_features(packed),
        **_inside(predictor.model, dataset),
        "what is new about the model": lambda: predictor.model.coverage(graph),
        "name to answer, inference": lambda: list(predictor.predict_many([name], ask)),
    }


def _inside(model: base.Predictor, dataset: Dataset) -> dict[str, Callable[[], object]]:
    """What the predictor itself does with a graph."""
    if not isinstance(model, SeerNetXPredictor):
        return {"the predictor": lambda: model.predict(dataset)}
    examples, network = model.examples(dataset), model.blend_.network
    assert network is not None
    table = platform_table(examples)
    return {
        "kinds of nodes": lambda: model.examples(dataset),
        "totals": lambda: platform_table(examples),
        "the predictor's forward pass": lambda: model.blend_.answer(examples, table),
        "... of which its network": lambda: network.ln_ms(examples),
    }


def timed(function: Callable[[], object], clock: Callable[[], float]) -> list[float]:
    """Milliseconds of each of `ROUNDS` runs after `WARM_UP` that do not count."""
    found = []
    for _ in range(WARM_UP + ROUNDS):
        start = clock()
        function()
        found.append(1e3 * (clock() - start))
    return found[WARM_UP:]


def table(predictor: Predictor, name: str) -> dict[str, float]:
    """Prints wall and processor time of every part; returns the medians of wall time [ms]."""
    medians = {}
    print(f"\n{predictor.provenance.source}, {name}, batch 32, one thread, {ROUNDS} rounds\n")
    print(f"| part | wall, median [ms] | least to most | processor, median [ms] |\n{'|---|--:|--:|--:|'}")
    for title, function in parts(predictor, name).items():
        wall, processor = timed(function, perf_counter), timed(function, process_time)
        medians[title] = statistics.median(wall)
        ends = f"{min(wall):.2f} to {max(wall):.2f}"
        print(f"| {title} | {medians[title]:.2f} | {ends} | {statistics.median(processor):.2f} |")
    return medians


@pytest.mark.parametrize("name", [*shipped(), "law"])
def test_name_to_answer(benchmark, name):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    predictor = Predictor.load(name) if name in shipped() else law()
    medians = table(predictor, REFERENCE)
    whole = parts(predictor, REFERENCE)["name to answer, inference"]
    benchmark.pedantic(whole, rounds=ROUNDS, warmup_rounds=WARM_UP, iterations=1)
    benchmark.extra_info.update(medians)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    for reference in (REFERENCE, "timm:resnet50"):
        table(Predictor.load(given), reference)
