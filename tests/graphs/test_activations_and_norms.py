"""Every activation and normalisation of torch moves what its kernels on a GPU move, forwards and backwards.

Counted by hand in tensors of the input's size: an element-wise kernel reads one and writes one; its gradient
reads two, the gradient and what was saved, and writes one. So does a normalisation, whose weights and
statistics are small beside. What torch composes on every device is counted kernel by kernel.
"""

import pytest
import torch
from torch import nn
from torch.nn.modules import activation, batchnorm, instancenorm, normalization

from perfseer.graphs.capture import capture

CHANNELS = 256
ROWS = (512, CHANNELS)
IMAGES = {3: (4, CHANNELS, 1024), 4: (4, CHANNELS, 32, 32), 5: (4, CHANNELS, 8, 16, 8)}
# Beside whole tensors: weights, statistics, and one number each for a row or an image's channel.
SMALL = 0.02

ELEMENT_WISE = (2, 3)
# Class to (module, dimensions of its input, tensors moved forwards, and backwards).
ONE_KERNEL = {
    **{
        kind: (kind(), 2, *ELEMENT_WISE)
        for kind in (
            *(nn.ReLU, nn.Hardtanh, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.SiLU, nn.Mish),
            *(nn.Hardswish, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.Hardshrink, nn.LeakyReLU, nn.Softplus),
            *(nn.Softshrink, nn.LogSigmoid),
        )
    },
    nn.Threshold: (nn.Threshold(0.1, 20.0), 2, *ELEMENT_WISE),
    # draws a slope for every element, which its gradient reads besides
    nn.RReLU: (nn.RReLU(), 2, 3, 4),
    # its result is half as large; the gradient reads it and the input, and writes what the input is
    nn.GLU: (nn.GLU(), 2, 1.5, 2.5),
    # the gradient of the slope is one for every element, which a second kernel adds up
    nn.PReLU: (nn.PReLU(), 2, 2, 5),
    nn.Softmax: (nn.Softmax(dim=1), 2, *ELEMENT_WISE),
    nn.Softmax2d: (nn.Softmax2d(), 4, *ELEMENT_WISE),
    nn.LogSoftmax: (nn.LogSoftmax(dim=1), 2, *ELEMENT_WISE),
    nn.LayerNorm: (nn.LayerNorm(CHANNELS), 2, *ELEMENT_WISE),
    nn.RMSNorm: (nn.RMSNorm(CHANNELS), 2, *ELEMENT_WISE),
    nn.GroupNorm: (nn.GroupNorm(8, CHANNELS), 4, *ELEMENT_WISE),
    nn.BatchNorm1d: (nn.BatchNorm1d(CHANNELS), 2, *ELEMENT_WISE),
    nn.BatchNorm2d: (nn.BatchNorm2d(CHANNELS), 4, *ELEMENT_WISE),
    nn.BatchNorm3d: (nn.BatchNorm3d(CHANNELS), 5, *ELEMENT_WISE),
    nn.SyncBatchNorm: (nn.SyncBatchNorm(CHANNELS), 4, *ELEMENT_WISE),
    nn.InstanceNorm1d: (nn.InstanceNorm1d(CHANNELS), 3, *ELEMENT_WISE),
    nn.InstanceNorm2d: (nn.InstanceNorm2d(CHANNELS), 4, *ELEMENT_WISE),
    nn.InstanceNorm3d: (nn.InstanceNorm3d(CHANNELS), 5, *ELEMENT_WISE),
}
# No device has a kernel for these. Class to the same, and how many kernels run forwards.
COMPOSED = {
    # |x|, 1 + |x|, the quotient; backwards g/d, x/d, (x/d)/d, -g, their product, sign x, its product, a sum
    nn.Softsign: (nn.Softsign(), 2, 2 + 2 + 3, 3 * 3 + 2 + 3 + 2 + 3 + 3, 3),
    # tanh x, x - tanh x; backwards -g, the gradient of tanh, a sum
    nn.Tanhshrink: (nn.Tanhshrink(), 2, 2 + 3, 2 + 3 + 3, 2),
    nn.Softmin: (nn.Softmin(dim=1), 2, 2 + 2, 3 + 2, 2),
}
# What a GPU moves less of than is captured. To mend it would make all captures anew, and no model of timm's
# uses it.
NO_NOISE = "in evaluation the kernel is a leaky ReLU, which leaves the noise it is handed alone"
OPEN = {
    (nn.RReLU, "evaluation"): NO_NOISE,
}
# Attention has tests of its own; the two others are compositions of a dozen kernels, of networks long gone.
ELSEWHERE = {"MultiheadAttention", "LocalResponseNorm", "CrossMapLRN2d"}


def between(module: nn.Module, dimensions: int) -> tuple[nn.Module, torch.Tensor]:
    """The module between two layers, so that it reads and is handed whole tensors; and an input."""
    if dimensions == 2:
        width = CHANNELS // 2 if isinstance(module, nn.GLU) else CHANNELS
        return nn.Sequential(nn.Linear(CHANNELS, CHANNELS), module, nn.Linear(width, 4)), torch.empty(ROWS)
    layer = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[dimensions]
    layers = (layer(CHANNELS, CHANNELS, 1) for _ in range(2))
    return nn.Sequential(next(layers), module, next(layers)), torch.empty(IMAGES[dimensions])


def cases(table, *passes):
    return [
        pytest.param(
            kind,
            way,
            marks=[pytest.mark.xfail(strict=True, reason=OPEN[kind, way])] if (kind, way) in OPEN else [],
            id=f"{kind.__name__}-{way}",
        )
        for kind in table
        for way in passes
    ]


def moved(kind, way):
    """Tensors of the input's size that the module's nodes move in a pass; and how many nodes there are."""
    module, dimensions = {**ONE_KERNEL, **COMPOSED}[kind][:2]
    model, example = between(module, dimensions)
    graph = capture(model, (example,), backward=way != "evaluation")
    inner = slice(1, -1)
    nbytes = graph.backward_bytes[inner] if way == "backward" else graph.bytes[inner]
    return float(nbytes.sum()) / example.nbytes, len(nbytes)


@pytest.mark.parametrize(("kind", "way"), cases(ONE_KERNEL, "forward", "backward", "evaluation"))
def test_one_kernel_moves_each_tensor_once(kind, way):
    _, _, forward, backward = ONE_KERNEL[kind]
    in_evaluation = 2 if kind is nn.RReLU else forward
    expected = {"forward": forward, "backward": backward, "evaluation": in_evaluation}[way]
    found, nodes = moved(kind, way)
    assert nodes == 1
    assert found == pytest.approx(expected, rel=SMALL)


@pytest.mark.parametrize(("kind", "way"), cases(COMPOSED, "forward", "backward", "evaluation"))
def test_what_no_device_has_a_kernel_for_is_counted_kernel_by_kernel(kind, way):
    _, _, forward, backward, kernels = COMPOSED[kind]
    found, nodes = moved(kind, way)
    assert nodes == kernels
    assert found == pytest.approx(backward if way == "backward" else forward, rel=SMALL)


def test_every_activation_and_norm_of_torch_is_here():
    names = {name for part in (activation, batchnorm, instancenorm, normalization) for name in part.__all__}
    named = {kind.__name__ for kind in (*ONE_KERNEL, *COMPOSED)}
    lazy = {name for name in names if name.startswith("Lazy")}
    assert names - lazy - ELSEWHERE == named
