"""One skeleton per architecture, and weights that are those of torch's own construction."""

import math
from itertools import islice

import pytest
import torch
from torch import nn

from perfseer.measure.construction import WEIGHTS_SEED, construct, materialise, release, skeleton
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import SearchSpace
from tests.helpers.places import PARAMS

SPECS = list(islice(stream(SearchSpace.from_mapping(PARAMS["zoo"])), 12))


@pytest.fixture(autouse=True)
def fresh():
    skeleton.cache_clear()
    yield
    skeleton.cache_clear()


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.family)
def test_a_network_has_the_weights_that_building_it_on_the_cpu_gives_it(spec):
    torch.manual_seed(WEIGHTS_SEED)
    expected = tensors(build(spec))
    torch.manual_seed(1)
    constructed = tensors(construct(spec.to_json()))
    assert all(torch.equal(constructed[name], expected[name]) for name in expected)
    found = tensors(materialise(skeleton(spec.to_json(), "fp32", "nchw"), "cpu"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_architecture_is_built_once_and_given_the_same_weights_in_every_phase():
    json = SPECS[0].to_json()
    model = materialise(skeleton(json, "fp32", "nchw"), "cpu")
    before = {name: value.clone() for name, value in tensors(model).items()}
    model(torch.randn(2, 3, 64, 64)).sum().backward()  # gradients, and other running statistics
    release(model)
    again = materialise(skeleton(json, "fp32", "nchw"), "cpu")
    assert again is model
    assert all(torch.equal(tensors(again)[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in again.parameters())


def test_a_released_network_holds_no_memory():
    model = materialise(skeleton(SPECS[1].to_json(), "fp32", "nchw"), "cpu")
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    release(model)
    assert {tensor.device.type for tensor in tensors(model).values()} == {"meta"}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_only_the_latest_architecture_is_kept():
    for spec in SPECS[:5]:
        skeleton(spec.to_json(), "fp32", "nchw")
    assert skeleton.cache_info().currsize == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_number_format_and_layout_are_set_before_there_is_memory(precision, memory_format):
    model = materialise(skeleton(SPECS[0].to_json(), precision, memory_format), "cpu")
    weight = model.stem[0].weight
    assert weight.dtype is (torch.bfloat16 if precision == "bf16" else torch.float32)
    wanted = torch.channels_last if memory_format == "nhwc" else torch.contiguous_format
    assert weight.is_contiguous(memory_format=wanted)
    statistics = model.stem[1]
    assert torch.equal(statistics.running_mean, torch.zeros(32, dtype=weight.dtype))
    assert torch.equal(statistics.running_var, torch.ones(32, dtype=weight.dtype))
    assert statistics.num_batches_tracked == 0
    # Uniform between plus and minus 1 / sqrt(fan in), whose standard deviation is that over sqrt(3).
    bound = 1 / math.sqrt(3 * 9)
    assert weight.abs().max() <= bound * 1.01
    assert weight.detach().float().std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_no_tensor_is_left_as_the_memory_was_found(monkeypatch):
    """Every new tensor is filled with a mark first; none of it may be left."""
    empty_like = torch.empty_like

    def marked(tensor, **arguments):
        found = empty_like(tensor, **arguments)
        return found.fill_(7777) if found.device.type == "cpu" else found

    monkeypatch.setattr(torch, "empty_like", marked)
    model = materialise(skeleton(SPECS[2].to_json(), "fp32", "nchw"), "cpu")
    assert not [name for name, value in tensors(model).items() if (value == 7777).any()]


def test_a_module_that_cannot_fill_what_it_owns_is_refused():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(2, 3), Scale())
    with pytest.raises(TypeError, match=r"Scale .*reset_parameters"):
        materialise(model, "cpu")
