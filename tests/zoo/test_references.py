"""Model references: every form builds, every fault is named."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.zoo import references
from perfseer.zoo.references import Reference, build, parse
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace, n_parameters
from tests.helpers.search_space import LITERAL, SPACE

space = SearchSpace.from_mapping(SPACE)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory; modules imported from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("mine"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("ref", "kind", "target"),
    [
        ("zoo:0123456789ab", "zoo", "0123456789ab"),
        ("zoo:a/b.json", "zoo", "a/b.json"),
        ("zoo:spec.json", "zoo", "spec.json"),
        ("module:package.sub.attr", "module", "package.sub.attr"),
        ("timm:resnet50.a1_in1k", "timm", "resnet50.a1_in1k"),
        ("torchvision:vgg16", "torchvision", "vgg16"),
        ("ofa:w1.2-3333-3333-3333-3333-3333", "ofa", "w1.2-3333-3333-3333-3333-3333"),
    ],
)
def test_known_forms_are_taken_apart(ref, kind, target):
    assert parse(ref) == Reference(kind, target)
    assert str(parse(ref)) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "zoo",
        "zoo:",
        ":x",
        "zoo:0123",
        "zoo:0123456789AB",
        "onnx:x.onnx",
        "module:attr",
        "module:a.b-c",
        "module:a..b",
        "module:.a",
    ],
)
def test_other_forms_are_refused_with_the_known_ones(ref):
    with pytest.raises(PerfseerError, match=re.escape(repr(ref))):
        parse(ref)


def test_zoo_id_with_its_description():
    module = build(f"zoo:{LITERAL.id}", spec_json=LITERAL.to_json())
    assert count(module) == n_parameters(LITERAL)
    assert all(parameter.is_meta for parameter in module.parameters())


def test_the_device_can_be_chosen():
    module = build(f"zoo:{LITERAL.id}", spec_json=LITERAL.to_json(), device="cpu")
    assert all(parameter.device.type == "cpu" for parameter in module.parameters())


def test_zoo_id_with_the_description_of_another_network():
    with pytest.raises(PerfseerError, match=f"zoo:0{{12}} .*zoo:{LITERAL.id}"):
        build("zoo:000000000000", spec_json=LITERAL.to_json())


def test_zoo_id_is_found_in_its_search_space():
    spec = sample(space, 30)[-1]
    assert count(build(f"zoo:{spec.id}", space=space)) == n_parameters(spec)


def test_zoo_id_outside_the_search_space(monkeypatch):
    monkeypatch.setattr(references, "SEARCH_LIMIT", 50)
    with pytest.raises(PerfseerError, match=r"first 50 .* \(seed 0\)"):
        build("zoo:000000000000", space=space)


def test_zoo_id_with_nothing_to_find_it_by():
    with pytest.raises(PerfseerError, match=f"zoo:{LITERAL.id} needs"):
        build(f"zoo:{LITERAL.id}")


def test_zoo_file(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(LITERAL.to_json())
    assert count(build(f"zoo:{path}")) == n_parameters(LITERAL)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""])
def test_zoo_file_that_holds_no_description(tmp_path, content):
    path = tmp_path / "net.json"
    path.write_bytes(content)
    with pytest.raises(PerfseerError):
        build(f"zoo:{path}")


def test_zoo_file_that_is_not_there(tmp_path):
    with pytest.raises(PerfseerError, match=r"gone\.json"):
        build(f"zoo:{tmp_path}/gone.json")


def test_module_class_function_and_object_of_the_working_directory(here):
    (here / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Linear(3, 2))\n"
        "def make():\n"
        "    return nn.Linear(5, 1)\n"
        "ready = nn.Linear(7, 1)\n"
    )
    assert count(build("module:mine.Net")) == 8
    assert build("module:mine.make").weight.is_meta
    assert build("module:mine.make", device="cpu").weight.device.type == "cpu"
    assert build("module:mine.ready") is sys.modules["mine"].ready
    assert str(here) not in sys.path


def test_a_model_that_reads_values_while_it_is_made_is_built_on_the_cpu(here):
    (here / "mine_values.py").write_text(
        "import torch\n"
        "def make():\n"
        "    rates = [rate.item() for rate in torch.linspace(0, 1, 3)]\n"
        "    return torch.nn.Linear(2, len(rates))\n"
    )
    module = build("module:mine_values.make")
    assert module.weight.shape == (3, 2)
    assert module.weight.device.type == "cpu"


def test_a_model_that_is_traced_while_it_is_made_is_built_on_the_cpu(here):
    (here / "mine_traced.py").write_text(
        "import torch\ndef make(): return torch.jit.trace(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3),"
        " torch.nn.BatchNorm2d(8)).eval(), torch.zeros(2, 3, 8, 8))\n"
    )
    module = build("module:mine_traced.make")
    assert {parameter.device.type for parameter in module.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("source", "ref", "says"),
    [
        (None, "module:mine_gone.make", "there is no module 'mine_gone'"),
        (
            "import mine_other",
            "module:mine_bad.make",
            "it raised ModuleNotFoundError: No module named 'mine_other'",
        ),
        ("raise ValueError('my fault')", "module:mine_bad.make", "it raised ValueError: my fault"),
        ("def", "module:mine_bad.make", "it raised SyntaxError"),
        ("", "module:mine_bad.make", "has no attribute 'make'"),
        ("make = 3", "module:mine_bad.make", "is int; expected an nn.Module or a callable"),
        ("def make(): return 3", "module:mine_bad.make", "returned int; expected an nn.Module"),
        ("def make(size): return 3", "module:mine_bad.make", "cannot be built: it raised TypeError"),
        ("def make(): raise RuntimeError('no')", "module:mine_bad.make", "it raised RuntimeError: no"),
    ],
)
def test_faults_of_modules_are_named(here, source, ref, says):
    if source is not None:
        (here / "mine_bad.py").write_text(source)
    with pytest.raises(PerfseerError) as caught:
        build(ref)
    assert says in str(caught.value)
    assert ref in str(caught.value)


@pytest.mark.parametrize(
    ("library", "advice"), [("timm", "pip install timm"), ("torchvision", "pip install")]
)
def test_a_library_that_is_not_installed_is_named(monkeypatch, library, advice):
    for name in (library, f"{library}.models"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PerfseerError, match=advice) as caught:
        build(f"{library}:resnet50")
    assert f"module '{library}" in str(caught.value)


def test_timm_models_come_without_weights(monkeypatch):
    def create_model(name, pretrained):
        assert (name, pretrained) == ("resnet10t", False)
        return nn.Linear(4, 2)

    models = SimpleNamespace(get_deprecated_models=dict)
    fake = SimpleNamespace(create_model=create_model, get_pretrained_cfg=lambda name: None, models=models)
    monkeypatch.setitem(sys.modules, "timm", fake)
    monkeypatch.setitem(sys.modules, "timm.models", models)
    assert build("timm:resnet10t").weight.is_meta


def test_an_unknown_library_model_is_reported(monkeypatch):
    def get_model_builder(name):
        raise ValueError(f"Unknown model {name}")

    fake = SimpleNamespace(get_model_builder=get_model_builder)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=fake))
    monkeypatch.setitem(sys.modules, "torchvision.models", fake)
    with pytest.raises(PerfseerError, match=r"torchvision:nonet .*ValueError"):
        build("torchvision:nonet")


def test_building_leaves_the_default_device_alone():
    build(f"zoo:{LITERAL.id}", spec_json=LITERAL.to_json())
    assert torch.empty(1).device.type == "cpu"


def test_a_region_that_a_model_file_declares_is_one_of_a_gpu(here):
    (here / "mine_mixed.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Linear):\n"
        "    forward = torch.autocast('cuda', dtype=torch.bfloat16)(torch.nn.Linear.forward)\n"
        "def model():\n"
        "    return Model(8, 4, bias=False)\n"
    )
    model = build("module:mine_mixed.model")
    graph = capture(model, (torch.empty(2, 8),), backward=False)
    # the input, the weight and the result in 16 bits, whatever the precision around it
    assert sorted(graph.output_bytes.tolist()) == [2 * 2 * 4, 2 * 2 * 8, 2 * 4 * 8]
