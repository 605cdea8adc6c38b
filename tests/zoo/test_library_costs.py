"""FLOPs of library models equal a count by hand in both passes, and bytes a sum over their operators."""

import importlib.util

import pytest
import torch

from perfseer.graphs.capture import capture
from perfseer.zoo.libraries import timm_model, torchvision_model
from tests.helpers.hand_count import count_by_hand

INSTALLED = importlib.util.find_spec("timm") and importlib.util.find_spec("torchvision")
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs the extra timm")

# Depth-wise and grouped convolutions, standardised weights, attention in windows and over channels, several
# outputs. All sizes are as small as the models take.
MODELS = {
    "timm": {
        "efficientnet_b0": 64,
        "mobilenetv2_100": 64,
        "convnext_atto": 64,
        "resnext50_32x4d": 64,
        "swin_tiny_patch4_window7_224": 224,
        "xcit_nano_12_p16_224": 224,
        "nf_regnet_b1": 64,
        "lambda_resnet26t": 128,
    },
    "torchvision": {"resnet50": 64, "shufflenet_v2_x0_5": 64, "googlenet": 96, "maxvit_t": 224},
}
CASES = [(library, name, side) for library, models in MODELS.items() for name, side in models.items()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("library", "name", "side"), CASES)
def test_flops_of_a_library_model_equal_a_count_by_hand(library, name, side):
    with torch.device("meta"):
        model = {"timm": timm_model, "torchvision": torchvision_model}[library](name)
        images = torch.empty(2, 3, side, side)
    graph = capture(model, (images,))
    assert (graph.total_flops, graph.backward_flops.sum()) == count_by_hand(model, (images,))
    assert graph.unknown == {}


def test_efficientnet_moves_what_its_tensors_take():
    """Three tensors for the gradient of each SiLU, whose composition of kernels would double the sum."""
    with torch.device("meta"):
        model, images = timm_model("efficientnet_b0"), torch.empty(32, 3, 224, 224)
    graph = capture(model, (images,))
    assert graph.backward_bytes.sum() == pytest.approx(10.6e9, rel=0.01)
