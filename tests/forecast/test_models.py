"""From what people call a model to its graph: names, folders, patterns, inputs, batch sizes."""

import json
import warnings
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.forecast.inputs import Feed, arguments, default_shape, torch_type
from perfseer.forecast.models import GraphModel, ModuleModel, fed, open_any, open_model, open_one
from perfseer.forecast.naming import expand, listed
from perfseer.graphs.capture import capture
from perfseer.parameters import load_mapping
from perfseer.zoo.libraries import import_library
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.helpers.forecasts import IMAGE, Convolution

needs_libraries = pytest.mark.skipif(
    find_spec("timm") is None or find_spec("torchvision") is None, reason="needs timm and torchvision"
)
REFERENCE = "module:tests.helpers.forecasts.Convolution"


def codes(model):
    return [notice.code for notice in model.notices]


# -- names ------------------------------------------------------------------------------------------------


def test_a_list_on_standard_input_takes_the_place_of_a_dash():
    lines = ["timm:resnet18\n", "\n", "  # a comment\n", "model.onnx  # the old one\n"]
    assert list(listed(["a", "-", "b"], lines)) == ["a", "timm:resnet18", "model.onnx", "b"]


def test_an_operator_is_fed_what_its_name_says():
    model = open_any("operator:bmm(3x5x7,3x7x11)", Feed())
    assert codes(model) == []
    own = model.captured(None, backward=False)
    assert own.shapes == ((3, 5, 7), (3, 7, 11))
    assert own.graph.batch_size == 3
    assert own.graph.total_flops == 2 * 3 * 5 * 7 * 11
    assert model.captured(6, backward=False).graph.total_flops == 2 * own.graph.total_flops
    tokens = open_any("operator:embedding(58->140,rows=1000)@fp16", Feed()).captured(None, backward=False)
    assert (tokens.shapes, tokens.types) == (((58,),), ("int64",))
    assert open_any("operator:linear(4x8->2)", Feed(shapes=((8,),))).captured(1, backward=False).shapes == (
        (1, 8),
    )


def test_folders_and_patterns_are_the_models_in_them(tmp_path, monkeypatch):
    for name in ("b.onnx", "a.pt2", "deep/c.json", "README.md", "weights.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert expand(str(tmp_path)) == [str(tmp_path / name) for name in ("a.pt2", "b.onnx", "deep/c.json")]
    assert expand("*.onnx") == ["b.onnx"]
    assert expand(f"{tmp_path}/*.pt2") == [str(tmp_path / "a.pt2")]
    assert expand("d*") == ["deep/c.json"]
    assert expand("README.md") == ["README.md"]  # what it is, its content says
    with pytest.raises(PerfseerError, match=r"'\*\.pb'"):
        expand("*.pb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PerfseerError, match="folder empty"):
        expand("empty")


@needs_libraries
def test_patterns_of_a_library_are_its_models():
    assert expand("timm:resnet[13][84]") == ["timm:resnet18", "timm:resnet34"]
    assert expand("torchvision:vgg1?") == [f"torchvision:vgg{n}" for n in (11, 13, 16, 19)]
    with pytest.raises(PerfseerError, match="'nonet"):
        expand("timm:nonet*")


@needs_libraries
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resnet50", "did you mean timm:resnet50 or torchvision:resnet50"),
        ("ResNet50", "timm:resnet50"),
        ("efficientnet_b00", "timm:efficientnet_b0"),
        ("tim:resnet50", "timm:resnet50"),
    ],
)
def test_a_bare_name_is_refused_with_what_was_meant(name, meant):
    with pytest.raises(PerfseerError, match=f"no model '{name}'.*{meant}"):
        expand(name)


def test_a_malformed_reference_is_refused():
    with pytest.raises(PerfseerError, match="no attribute"):
        expand("module:nothing")
    with pytest.raises(PerfseerError, match=r"\.json nor an id"):
        expand("zoo:short")


# -- inputs -----------------------------------------------------------------------------------------------


def test_without_a_shape_an_image_is_assumed_and_said():
    model = open_model(REFERENCE, Feed())
    captured = model.captured(4, backward=True)
    assert captured.name == REFERENCE
    assert captured.shapes == ((4, 3, 224, 224),)
    assert captured.types == ("float32",)
    assert codes(captured) == ["input_assumed"]
    assert captured.graph.batch_size == 4


def test_a_shape_that_is_given_is_no_assumption():
    captured = open_model(REFERENCE, Feed(shapes=((3, 8, 8),))).captured(None, backward=False)
    assert captured.shapes == ((1, 3, 8, 8),)
    assert captured.notices == ()
    assert captured.graph.total_flops == pytest.approx(1e3 * Convolution.KFLOPS)
    assert not captured.graph.has_backward


def test_tokens_and_several_inputs():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(100, 16)

        def forward(self, tokens, weights):
            return (self.words(tokens) * weights.unsqueeze(2)).sum(1)

    feed = Feed(shapes=((12,), (12,)), types=("int64", "float32"))
    captured = fed("bag", Bag(), feed).captured(8, backward=True)
    assert captured.shapes == ((8, 12), (8, 12))
    assert captured.types == ("int64", "float32")
    with pytest.raises(PerfseerError, match=r"2 .*1 inputs"):
        fed("bag", Bag(), Feed(shapes=((12,),), types=("int64", "int64")))
    with pytest.raises(PerfseerError, match="'int65'"):
        torch_type("int65")
    with pytest.raises(PerfseerError, match="'relu'"):
        torch_type("relu")


def test_inputs_that_a_module_carries_along_are_taken():
    class Lightning(Convolution):
        example_input_array = torch.empty(2, 3, 16, 16)

    class Transformer(nn.Module):
        dummy_inputs = {"tokens": torch.zeros(3, 7, dtype=torch.int64)}  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(10, 4)

        def forward(self, tokens=None):
            return self.words(tokens)

    image = fed("a", Lightning(), Feed()).captured(None, backward=True)
    assert (image.shapes, codes(image)) == (((2, 3, 16, 16),), ["input_assumed"])
    text = fed("b", Transformer(), Feed()).captured(5, backward=True)
    assert (text.shapes, text.types) == (((5, 7),), ("int64",))


def test_arguments_of_an_example():
    x = torch.empty(1)
    assert arguments(x) == ((x,), {})
    assert arguments([x, 1]) == ((x, 1), {})
    assert arguments({"x": x}) == ((), {"x": x})


@needs_libraries
def test_libraries_name_the_shape_their_models_were_made_for():
    with torch.device("meta"):
        model = import_library("timm").create_model("efficientnet_b1", pretrained=False)
    assert default_shape("timm", "efficientnet_b1", model) == (3, 240, 240)
    assert default_shape("torchvision", "inception_v3", nn.Identity()) == (3, 299, 299)
    assert default_shape("torchvision", "vit_h_14", open_model("torchvision:vit_h_14", Feed()).module) == (
        3,
        224,
        224,
    )
    assert default_shape("module", "a.b", nn.Identity()) is None


def test_parameters_in_another_precision_are_doubtful():
    captured = fed("half", Convolution().half(), Feed(((3, 8, 8),), ("float16",))).captured(1, backward=False)
    assert codes(captured) == ["parameters_not_fp32"]
    assert "float16" in captured.notices[0].message


# -- graphs and files -------------------------------------------------------------------------------------


def test_a_graph_is_asked_about_at_its_own_batch_size():
    graph = capture(Convolution(), (IMAGE,), backward=False)
    model = open_any(graph, Feed())
    assert isinstance(model, GraphModel)
    assert model.captured(None, backward=False).graph is graph
    with pytest.raises(PerfseerError, match=r"batch 1, .*8"):
        model.captured(8, backward=False)
    with pytest.raises(PerfseerError, match="backward pass"):
        model.captured(1, backward=True)


def test_a_description_in_a_file_is_a_model(tmp_path, repository):
    space = SearchSpace.from_mapping(load_mapping(str(repository / "params.yaml"))["zoo"])
    spec = next(iter(sample(space, 1)))
    path = tmp_path / "network.json"
    path.write_text(json.dumps(spec.to_mapping()), encoding="utf-8")
    captured = open_model(str(path), Feed(shapes=((3, 32, 32),))).captured(2, backward=True)
    assert captured.graph.batch_size == 2
    assert captured.name == str(path)
    assumed = open_model(str(path), Feed()).captured(1, backward=False)
    assert codes(assumed) == ["input_assumed"]
    assert assumed.shapes == ((1, 3, 224, 224),)
    with pytest.raises(PerfseerError, match=r"2 shapes .* 1 inputs"):
        open_model(str(path), Feed(shapes=((3, 32, 32), (1,)))).captured(1, backward=False)


def test_an_onnx_file_is_asked_about_like_the_model_it_came_from(tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "network"  # its content says what it is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(Convolution(), (torch.zeros(2, 3, 8, 8),), path, dynamo=False)
    model = open_model(str(path), Feed())
    captured = model.captured(None, backward=True)
    assert captured.graph.batch_size == 2
    assert captured.graph.total_flops == pytest.approx(2e3 * Convolution.KFLOPS)
    assert captured.types == ("float32",)
    assert [notice.code for notice in captured.training_notices] == ["backward_estimated"]
    assert "backward_estimated" not in codes(captured)


def test_examples_are_for_single_modules(tmp_path):
    model = open_one(Convolution(), IMAGE, Feed())
    assert isinstance(model, ModuleModel)
    graph = capture(Convolution(), (IMAGE,))
    with pytest.raises(PerfseerError, match="example inputs"):
        open_one(graph, IMAGE, Feed())
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(PerfseerError, match="names 2 models"):
        open_one(tmp_path, None, Feed())


def test_a_once_for_all_network_is_a_model_by_its_name():
    name = "ofa:w1.2-3333-3333-3333-3333-3333"
    assert expand(name) == [name]
