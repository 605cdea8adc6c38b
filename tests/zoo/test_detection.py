"""Detectors of torchvision: the work that has fixed shapes, by hand and as torchvision publishes it."""

import importlib.util

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.zoo.detection import Detector, fixed_if_detector
from perfseer.zoo.libraries import import_library, torchvision_model, torchvision_shape
from tests.helpers.model_graphs import Lambda

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="needs the extra timm"
)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Whatever would be downloaded is an error."""

    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(import_library("torchvision.models._api"), "load_state_dict_from_url", refuse)


def made(name):
    with torch.device("meta"):
        return torchvision_model(name)


def gmacs(module, *shape):
    return capture(module, (torch.zeros(shape),), backward=False).total_flops / 2e9


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("fasterrcnn_resnet50_fpn", 800, 134.38),
        ("retinanet_resnet50_fpn", 800, 151.54),
        ("fcos_resnet50_fpn", 800, 128.207),
        ("ssd300_vgg16", 300, 34.858),
        ("ssdlite320_mobilenet_v3_large", 320, 0.583),
        ("lraspp_mobilenet_v3_large", 520, 2.086),
    ],
)
def test_work_is_what_torchvision_publishes(name, size, published):
    assert round(gmacs(made(name), 1, 3, size, size), 3) == published


def mask_head_macs(boxes, channels=256, patch=14, classes=91):
    """Four convolutions of 3 x 3, a transposed one that doubles the patch, one of 1 x 1 for each class."""
    convolutions = 4 * channels * channels * 9 * patch**2
    return boxes * (convolutions + channels * channels * 4 * patch**2 + channels * classes * (2 * patch) ** 2)


def test_masks_are_of_as_many_boxes_as_the_configuration_keeps():
    plain, masks = made("fasterrcnn_resnet50_fpn"), made("maskrcnn_resnet50_fpn")
    more = gmacs(masks, 1, 3, 800, 800) - gmacs(plain, 1, 3, 800, 800)
    assert more == pytest.approx(mask_head_macs(100) / 1e9)
    (note,) = masks.capture_notes
    assert "1000 proposals" in note
    assert "100 boxes" in note


def test_images_are_scaled_as_the_detector_does_and_a_batch_costs_as_many_times_as_much():
    """224 x 224 is run at 800 x 800."""
    detector = made("fasterrcnn_resnet50_fpn")
    one = gmacs(detector, 1, 3, 224, 224)
    assert one == pytest.approx(134.38, abs=1e-3)
    assert gmacs(detector, 3, 3, 224, 224) == pytest.approx(3 * one)


def test_training_a_detector_is_refused_in_one_sentence():
    with pytest.raises(PerfseerError, match="--phase infer"):
        capture(made("ssd300_vgg16"), (torch.zeros(1, 3, 300, 300),))


def test_a_detector_inside_a_model_of_ones_own():
    inner = made("ssd300_vgg16").model
    outer = fixed_if_detector(Lambda(lambda parts, x: parts[0](list(x * 2)), inner))
    assert isinstance(outer, Detector)
    assert round(gmacs(outer, 1, 3, 300, 300), 3) == 34.858
    assert fixed_if_detector(outer) is outer


def test_other_models_and_real_images_are_left_alone():
    plain = nn.Linear(3, 3)
    assert fixed_if_detector(plain) is plain
    wrapped = Detector(plain)
    assert wrapped.in_features == 3
    assert wrapped(torch.zeros(2, 3)).shape == (2, 3)
    assert wrapped.training == plain.training


def test_a_capture_leaves_the_detector_as_it_was():
    detector = made("fasterrcnn_resnet50_fpn")
    before = {name: sorted(vars(part)) for name, part in detector.named_modules()}
    gmacs(detector, 1, 3, 320, 320)
    after = {name: sorted(vars(part)) for name, part in detector.named_modules()}
    assert after == before


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "fcn_resnet50"])
def test_segmentation_answers_with_a_dictionary(name):
    graph = capture(made(name), (torch.zeros(2, 3, 96, 96),))
    assert graph.has_backward
    assert graph.batch_size == 2


def test_shapes_that_torchvision_made_models_for():
    assert torchvision_shape("resnet18") == (3, 224, 224)
    assert torchvision_shape("fcn_resnet50") == (3, 520, 520)
    assert torchvision_shape("r3d_18") == (3, 16, 112, 112)
    assert torchvision_shape("fasterrcnn_resnet50_fpn") is None


def test_video_work_is_what_torchvision_publishes():
    assert round(gmacs(made("r3d_18"), 1, *torchvision_shape("r3d_18")), 3) == 40.697
    assert round(gmacs(made("s3d"), 1, *torchvision_shape("s3d")), 3) == 17.979
