"""Models of timm and torchvision at any size, on any torch."""

import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.zoo import libraries
from perfseer.zoo.libraries import current_name, import_library, reparameterisable
from perfseer.zoo.references import build

INSTALLED = importlib.util.find_spec("timm") and importlib.util.find_spec("torchvision")
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs the extra timm")


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def run(model, *shape):
    return model.eval()(torch.empty(2, *shape, device="meta")).shape


def test_both_libraries_import_and_a_second_import_changes_nothing():
    assert import_library("torchvision") is import_library("torchvision")
    assert import_library("timm").__version__ == sys.modules["timm"].__version__


def test_nothing_is_declared_where_torchvision_imports_by_itself(monkeypatch):
    monkeypatch.setattr(libraries, "_declared", [])
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    assert libraries.import_library("torchvision") is sys.modules["torchvision"]
    assert libraries._declared == []


def test_a_module_that_imports_torchvision_is_imported_once_its_operators_are_declared(monkeypatch, tmp_path):
    """It fails as it does beside a torchvision that was built for another torch, and then no more."""
    mark = tmp_path / "mark"
    (tmp_path / "imports_torchvision.py").write_text(
        f"""
import pathlib
mark = pathlib.Path({str(mark)!r})
if not mark.exists():
    mark.touch()
    raise RuntimeError("operator torchvision::nms does not exist")
answer = 42
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(libraries, "_declared", [])
    assert libraries.import_module("imports_torchvision").answer == 42
    assert mark.exists()


def test_published_parameter_counts():
    assert parameters(build("timm:resnet18")) == 11_689_512
    assert parameters(build("torchvision:resnet18")) == 11_689_512
    assert parameters(build("timm:vit_tiny_patch16_224")) == 5_717_416


def test_a_vision_transformer_is_made_for_the_size_it_gets():
    model = build("timm:vit_tiny_patch16_224", input_shape=(3, 96, 96))
    # 36 patches and the class token instead of 196 and it, 192 channels each.
    assert parameters(model) == 5_717_416 - (196 - 36) * 192
    assert run(model, 3, 96, 96) == (2, 1000)
    tall = build("timm:vit_tiny_patch16_224", input_shape=(3, 96, 64))
    assert run(tall, 3, 96, 64) == (2, 1000)


def test_torchvisions_vision_transformer_is_too():
    model = build("torchvision:vit_b_32", input_shape=(3, 64, 64))
    assert run(model, 3, 64, 64) == (2, 1000)


def test_a_network_for_any_size_is_the_same_at_every_size():
    model = build("timm:resnet18", input_shape=(3, 96, 96))
    assert parameters(model) == 11_689_512
    assert run(model, 3, 96, 96) == (2, 1000)


def test_other_numbers_of_channels():
    model = build("timm:resnet18", input_shape=(1, 224, 224))
    assert parameters(model) == 11_689_512 - 2 * 64 * 49
    assert run(model, 1, 224, 224) == (2, 1000)


def test_timm_knows_what_it_renamed():
    assert current_name("gluon_resnet18_v1b") == "resnet18.gluon_in1k"
    assert current_name("resnet18") == "resnet18"
    # The map names weights that are gone; the architecture is there.
    assert current_name("vit_base_patch32_224_sam") == "vit_base_patch32_224"
    assert current_name("no_such_network") == "no_such_network"
    assert parameters(build("timm:gluon_resnet18_v1b")) == 11_689_512


def test_merged_branches_make_another_network():
    plain, merged = build("timm:mobileone_s0"), build("timm:mobileone_s0@reparam")
    assert reparameterisable(plain)
    assert parameters(plain) == 5_293_272  # timm's figures: 5.29 M trained, 2.08 M deployed
    assert round(parameters(merged) / 1e6, 2) == 2.08
    assert all(parameter.requires_grad for parameter in merged.parameters())


def test_a_network_without_branches_has_none_to_merge():
    with pytest.raises(PerfseerError, match="no branches"):
        build("timm:resnet18@reparam")


def test_an_unknown_variant_is_refused():
    with pytest.raises(PerfseerError, match=r"'fused'; .*resnet18@reparam"):
        build("timm:resnet18@fused")


def test_an_unknown_name_is_reported():
    with pytest.raises(PerfseerError, match="timm:no_such_network "):
        build("timm:no_such_network")
