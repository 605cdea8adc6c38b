"""Models captured in 16 bits: as `half` and `bfloat16` run them, and left as they were."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.forecast.inputs import Feed
from perfseer.forecast.mixed_precision import in_16_bits
from perfseer.forecast.models import GraphModel, ModuleModel, open_any
from perfseer.graphs.capture import capture
from perfseer.predictors.memory import will_it_fit
from perfseer.zoo.reference import resnet50
from tests.helpers.forecasts import R3090

BYTES = ("input_bytes", "weight_bytes", "output_bytes", "backward_bytes", "edge_bytes")
TOTALS = ("parameter_bytes", "peak_infer_bytes", "peak_train_bytes")


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 3)
        self.head.weight = nn.Parameter(torch.empty(3, 8))

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        return self.head(self.words(ids))


CASES = {
    "convolutions": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten()), torch.empty(2, 3, 8, 8)),
    "recurrent": (Recurrent(), torch.empty(2, 5, 8)),
    "lazy": (nn.Sequential(nn.LazyLinear(6), nn.GELU()), torch.empty(2, 4)),
}


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backward", [False, True])
def test_a_model_in_16_bits_moves_half_the_bytes(name, precision, backward):
    module, example = CASES[name]
    opened = ModuleModel(name, module, (example,))
    wide = opened.captured(2, backward=backward, precision="fp32").graph
    found = opened.captured(2, backward=backward, precision=precision)
    narrow = found.graph
    assert [notice.code for notice in found.notices if notice.level == "warning"] == []
    assert (narrow.operators == wide.operators).all()
    assert (narrow.flops == wide.flops).all()
    for part in BYTES[:-1] if backward else BYTES[:3]:
        assert 2 * getattr(narrow, part) == pytest.approx(getattr(wide, part))
    for part in TOTALS:
        assert 2 * getattr(narrow, part) == pytest.approx(getattr(wide, part), rel=0.01)


def test_indices_stay_whole_and_tied_weights_one():
    opened = ModuleModel("tied", Tied(), (torch.zeros(2, 6, dtype=torch.int64),))
    wide, narrow = (opened.captured(2, backward=True, precision=p).graph for p in ("fp32", "bf16"))
    ids = 2 * 6 * 8
    assert wide.input_bytes[0] == narrow.input_bytes[0] == ids
    assert narrow.parameter_bytes == 2 * 50 * 8
    assert narrow.n_parameters == wide.n_parameters == 50 * 8


def test_the_model_is_as_before(monkeypatch):
    module = Recurrent()
    before = [(name, id(p), p.dtype, p.device.type) for name, p in module.named_parameters()]
    flat = [id(weight) for weight in module.layer._flat_weights]
    opened = ModuleModel("it", module, (torch.empty(2, 5, 8),))
    opened.captured(2, backward=True, precision="bf16")
    broken = ModuleModel("it", module, (torch.empty(2, 5, 7),))
    with pytest.raises(Exception, match="7"):
        broken.captured(2, backward=True, precision="bf16")
    assert [(n, id(p), p.dtype, p.device.type) for n, p in module.named_parameters()] == before
    assert [id(weight) for weight in module.layer._flat_weights] == flat
    assert module(torch.zeros(2, 5, 8)).dtype == torch.float32


class Stubborn(nn.Module):
    """Takes single precision alone."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)

    def forward(self, x):
        if x.dtype != torch.float32:
            raise TypeError("single precision, please")
        return self.layer(x)


@pytest.mark.parametrize("module", [Stubborn(), torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))])
def test_what_cannot_be_cast_is_estimated_and_said(module):
    opened = ModuleModel("it", module, (torch.empty(2, 4),))
    found = opened.captured(2, backward=False, precision="fp16")
    assert [notice.code for notice in found.notices] == ["precision_estimated"]
    wide = opened.captured(2, backward=False).graph
    assert (2 * found.graph.bytes == wide.bytes).all()
    assert 2 * found.graph.parameter_bytes == wide.parameter_bytes


def test_a_model_converted_already_is_what_was_asked_for():
    module = nn.Linear(4, 4).bfloat16()
    opened = ModuleModel("it", module, (torch.empty(2, 4, dtype=torch.bfloat16),))
    assert opened.captured(2, backward=False, precision="bf16").notices == ()
    codes = [notice.code for notice in opened.captured(2, backward=False, precision="fp16").notices]
    assert codes == ["parameters_not_fp32"]


def test_a_graph_is_narrowed_once():
    graph = capture(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), (torch.empty(2, 4),))
    narrow = GraphModel("graph", graph).captured(2, backward=True, precision="bf16").graph
    for part in (*BYTES, *TOTALS):
        assert np.array_equal(2 * np.asarray(getattr(narrow, part)), np.asarray(getattr(graph, part)))
    assert in_16_bits(narrow) is narrow


def test_memory_of_a_narrow_graph_is_that_of_the_wide_one_in_16_bits():
    """The memory model has rules for weights in 16 bits; a graph captured so must not be halved again."""
    with torch.device("meta"):
        opened = open_any(resnet50(), Feed())
    wide, narrow = (opened.captured(8, backward=True, precision=p).graph for p in ("fp32", "bf16"))
    asked = replace(R3090, precision="bf16")
    first, second = (will_it_fit(graph, "train", asked).mem_mib for graph in (wide, narrow))
    assert second == pytest.approx(first, rel=0.1)
