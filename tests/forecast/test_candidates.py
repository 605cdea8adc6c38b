"""The models to choose from, with timm and without it, and those people name."""

from importlib.util import find_spec

import pytest

from perfseer.errors import PerfseerError
from perfseer.forecast import candidates
from perfseer.forecast.candidates import configurations, named, standard
from perfseer.zoo.libraries import import_library
from perfseer.zoo.sampler import sample
from tests.helpers.fake_worker import COLLECT, SPACE

# Not importorskip: importing it first of all fails where torchvision's operators do not load.
with_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")


@with_timm
def test_every_model_of_the_list_is_one_of_timm():
    timm = import_library("timm")
    found = standard(50)
    names = [one.model_ref.removeprefix("timm:") for one in found]
    assert all(timm.is_model(name) for name in names)
    assert len(set(names)) == 50
    assert len({one.family for one in found}) > 30
    for one, name in zip(found, names, strict=True):
        assert one.shape == tuple(timm.get_pretrained_cfg(name).input_size), name


def test_without_timm_there_are_networks_of_our_own(monkeypatch):
    monkeypatch.setattr(candidates, "find_spec", lambda name: None)
    found = standard(6)
    assert [one.architecture for one in found[:3]] == ["resnet50", "mobilenet_v1", "vit_tiny"]
    assert all(one.model_ref == f"zoo:{one.architecture}" and one.model_spec for one in found[3:])
    assert standard(6) == found
    assert standard(2) == found[:2]


@with_timm
def test_more_models_than_there_are_is_refused():
    with pytest.raises(PerfseerError, match="500 models"):
        standard(500)


def test_named_models_know_their_shape_and_relatives(tmp_path):
    vit = named("module:perfseer.zoo.reference.vit_tiny", None)
    assert (vit.shape, vit.architecture, vit.family) == ((3, 224, 224), "vit_tiny", "vit")
    assert named("module:perfseer.zoo.reference.resnet50", (3, 64, 64)).shape == (3, 64, 64)
    (spec,) = sample(SPACE, 1)
    (tmp_path / "spec.json").write_text(spec.to_json())
    own = named(f"zoo:{tmp_path / 'spec.json'}", (3, 64, 64))
    assert (own.model_ref, own.model_spec, own.family) == (f"zoo:{spec.id}", spec.to_json(), spec.family)
    with pytest.raises(PerfseerError, match="no attribute"):
        named("module:perfseer.zoo.reference.alexnet", None)


@with_timm
def test_named_models_of_timm_have_the_size_they_were_made_for():
    found = named("timm:tinynet_e.in1k", None)
    assert (found.shape, found.architecture, found.family) == ((3, 106, 106), "tinynet_e", "tinynet")


def test_every_candidate_stands_at_every_batch_size():
    two = [
        named(f"module:perfseer.zoo.reference.{name}", (3, 64, 64)) for name in ("resnet50", "mobilenet_v1")
    ]
    found = configurations(two, (1, 8), COLLECT)
    assert [(one.architecture, one.batch_size, one.order) for one in found] == [
        ("resnet50", 1, 0),
        ("resnet50", 8, 1),
        ("mobilenet_v1", 1, 2),
        ("mobilenet_v1", 8, 3),
    ]
    assert {one.input_shape for one in found} == {"3x64x64"}
    assert len({one.id for one in found}) == 4
