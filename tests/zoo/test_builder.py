"""Built networks: what the description says, of the permitted operators only, and trainable."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from perfseer.zoo.builder import build, build_stage
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import ArchitectureSpec, SearchSpace, n_parameters
from perfseer.zoo.stages import STAGES, DenseNetStage, GoogLeNetStage, MobileNetStage, ResNetStage, VggStage
from tests.helpers.search_space import SPACE

STAGE_VARIANTS = [
    VggStage(depth=2, width=16, kernel=3),
    VggStage(depth=1, width=8, kernel=5),
    GoogLeNetStage(depth=2, width=16, shares=(2, 4, 1, 1), reduction=2),
    GoogLeNetStage(depth=1, width=8, shares=(1, 4, 2, 1), reduction=2),
    ResNetStage(depth=2, width=16, expansion=1, groups=1),
    ResNetStage(depth=2, width=16, expansion=4, groups=1),
    ResNetStage(depth=2, width=32, expansion=2, groups=8),
    DenseNetStage(depth=3, width=16, growth_rate=4, bottleneck=False),
    DenseNetStage(depth=2, width=16, growth_rate=4, bottleneck=True),
    MobileNetStage(depth=2, width=16, kernel=3, expansion=1),
    MobileNetStage(depth=2, width=16, kernel=5, expansion=4),
]
LAYERS = {
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Linear,
    nn.Identity,
}
# METHODS 1.1, in ONNX's words: Conv, Relu, BatchNormalization, Concat, AveragePool, GlobalAveragePool,
# Flatten, Gemm, MaxPool, Add
ATEN = {
    "aten::convolution",
    "aten::relu_",
    "aten::native_batch_norm",
    "aten::_native_batch_norm_legit",
    "aten::_native_batch_norm_legit_no_training",
    "aten::cudnn_batch_norm",
    "aten::cat",
    "aten::avg_pool2d",
    "aten::mean",
    "aten::view",
    "aten::t",
    "aten::addmm",
    "aten::max_pool2d_with_indices",
    "aten::add",
    "aten::empty",  # allocated inside batch norm
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny tensors gain nothing from more, and lose much where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Names(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(func._schema.name)
        return func(*args, **(kwargs or {}))


def space(**changes):
    return SearchSpace.from_mapping(SPACE | changes)


def name_of(stage):
    return f"{stage.style}-{'-'.join(map(str, stage.to_mapping().values()))}"


def built_on_meta(spec):
    with torch.device("meta"):
        return build(spec)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("stage", STAGE_VARIANTS, ids=name_of)
@pytest.mark.parametrize("channels", [8, 24])
def test_a_stage_halves_the_resolution_and_trains(stage, channels):
    torch.manual_seed(0)
    module = build_stage(channels, stage)
    x = torch.randn(2, channels, 8, 8, requires_grad=True)
    y = module(x)
    assert y.shape == (2, stage.width, 4, 4)
    assert count(module) == stage.n_parameters(channels)
    y.square().mean().backward()
    for tensor in (x, *module.parameters()):
        assert torch.isfinite(tensor.grad).all()
    assert x.grad.abs().sum() > 0


def test_every_style_has_a_variant_above():
    assert {stage.style for stage in STAGE_VARIANTS} == set(STAGES)


@pytest.mark.parametrize("changes", [{}, {"depth": [1, 8], "width": [16, 1536], "n_classes": 1000}])
def test_counted_parameters_equal_the_built_ones(changes):
    for spec in sample(space(**changes), 60):
        assert count(built_on_meta(spec)) == n_parameters(spec), spec.to_json()


def test_only_the_permitted_layers_and_operators_occur():
    names, x = Names(), torch.empty(2, 3, 64, 64, device="meta")
    with torch.no_grad():
        for spec in sample(space(), 16):
            module = built_on_meta(spec).eval()
            leaves = {type(part) for part in module.modules() if not list(part.children())}
            assert leaves <= LAYERS
            with names:
                module(x)
    assert names.seen <= ATEN
    assert {"aten::convolution", "aten::cat", "aten::add", "aten::addmm", "aten::avg_pool2d"} <= names.seen


def test_stages_leave_a_thirtysecond_of_the_resolution():
    for spec in sample(space(), 6):
        module = built_on_meta(spec)
        x = torch.empty(1, 3, 64, 64, device="meta")
        sizes = []
        for part in (module.stem, module.stage1, module.stage2, module.stage3, module.stage4):
            x = part(x)
            sizes.append((x.shape[1], x.shape[2]))
        assert sizes == list(zip((32, *spec.output_channels), (32, 16, 8, 4, 2), strict=True))


@pytest.mark.parametrize("resolution", [32, 33, 47, 63, 224])
def test_every_allowed_resolution_runs(resolution):
    x = torch.empty(2, 3, resolution, resolution, device="meta")
    with torch.no_grad():
        for spec in sample(space(), 8):
            assert built_on_meta(spec).eval()(x).shape == (2, 100)


@pytest.mark.parametrize("style", sorted(STAGES))
def test_a_real_training_step_lowers_the_loss(style):
    torch.manual_seed(0)
    [spec] = sample(space(styles=[style], depth=[1, 2], width=[8, 16], stem_channels=8, n_classes=4), 1)
    module = build(spec)
    x, y = torch.randn(8, 3, 64, 64), torch.arange(8) % 4
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert losses[-1] < losses[0]


def test_batch_size_one_trains_at_64_pixels():
    for spec in sample(space(depth=[1, 1], width=[8, 16], stem_channels=8), 10):
        build(spec)(torch.randn(1, 3, 64, 64)).sum().backward()


def test_the_same_network_comes_back_from_its_json():
    [spec] = sample(space(), 1)
    torch.manual_seed(0)
    one = build(spec)
    torch.manual_seed(0)
    other = build(ArchitectureSpec.from_json(spec.to_json()))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(one.eval()(x), other.eval()(x))


def test_building_on_meta_allocates_nothing():
    [spec] = sample(space(), 1)
    assert all(
        tensor.is_meta for tensor in (*built_on_meta(spec).parameters(), *built_on_meta(spec).buffers())
    )
