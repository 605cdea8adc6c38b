"""Speed of graph capture: ``pytest benchmarks/bench_capture.py --benchmark-columns=median,min,rounds``.

The budget is 60 ms at the median for the forward pass of ResNet-50 on one thread. FlopCounterMode alone, on
the same model and device, is the yardstick.
"""

from time import perf_counter

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from perfseer.graphs.capture import capture
from perfseer.zoo import reference

NETWORKS = ("resnet50", "mobilenet_v1", "vit_tiny")


@pytest.fixture(params=NETWORKS)
def case(request):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.device("meta"):
        model = getattr(reference, request.param)()
        inputs = torch.empty(1, 3, 224, 224)
    yield model, inputs
    torch.set_num_threads(threads)


def count_flops(model: torch.nn.Module, inputs: torch.Tensor, *, backward: bool) -> int:
    model.train(backward)
    with torch.set_grad_enabled(backward), FlopCounterMode(display=False) as counter:
        out = model(inputs)
        if backward:
            torch.autograd.grad(out.sum(), list(model.parameters()))
    return counter.get_total_flops()


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
def test_capture(benchmark, case, backward):
    model, inputs = case
    graph = benchmark.pedantic(
        capture, (model, (inputs,)), {"backward": backward}, rounds=15, warmup_rounds=3, iterations=1
    )
    counted = [timed(lambda: count_flops(model, inputs, backward=backward)) for _ in range(3)]
    benchmark.extra_info["nodes"] = graph.n_nodes
    benchmark.extra_info["share_of_flop_counter"] = benchmark.stats.stats.median / min(counted)
    print(
        f"\n{benchmark.name}: median {1e3 * benchmark.stats.stats.median:.1f} ms, "
        f"{benchmark.extra_info['share_of_flop_counter']:.2f} of FlopCounterMode alone"
    )


def timed(function) -> float:
    start = perf_counter()
    function()
    return perf_counter() - start
