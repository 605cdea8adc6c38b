"""What PyTorch exports, against the capture of the same network: both passes, parameters, memory."""

import importlib.util
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.graphs.capture import capture
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.zoo.libraries import import_library
from perfseer.zoo.reference import EncoderBlock, mobilenet_v1
from tests.helpers.model_graphs import assert_same_work

pytest.importorskip("onnx")
EVALUATION, TRAINING = torch.onnx.TrainingMode.EVAL, torch.onnx.TrainingMode.TRAINING


def exported(module, inputs, path, *, dynamic=True, mode=EVALUATION, opset=17):
    """Save by the exporter that needs no further package; its first dimension is open unless told."""
    names = [f"input{i}" for i in range(len(inputs))]
    axes = {name: {0: "batch"} for name in names} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval() if mode is EVALUATION else module,
            inputs,
            path,
            dynamo=False,
            input_names=names,
            dynamic_axes=axes,
            training=mode,
            opset_version=opset,
        )
    return path


def both(module, inputs, tmp_path, *, batch=6, **settings):
    """The graph of the exported file and the capture, both at another batch size than exported with."""
    reading = open_onnx(exported(module, inputs, tmp_path / "model.onnx", **settings))
    larger = tuple(torch.empty(batch, *t.shape[1:], dtype=t.dtype) for t in inputs)
    return reading.graph(batch_size=batch, backward=True), capture(module, larger)


@pytest.mark.parametrize("dynamic", [True, False])
def test_a_network_with_folded_batch_norms(tmp_path, dynamic):
    image = (torch.zeros(1 if not dynamic else 2, 3, 32, 32),)
    assert_same_work(*both(mobilenet_v1(10), image, tmp_path, dynamic=dynamic))


@pytest.mark.parametrize("opset", [14, 17])
def test_an_encoder_exported_for_training(tmp_path, opset):
    """Dropout included; below version 17 the layer norm, and below 20 the GELU, are written out."""
    tokens = (torch.zeros(2, 5, 32),)
    assert_same_work(*both(EncoderBlock(32, 4), tokens, tmp_path, mode=TRAINING, opset=opset))


class Decoder(nn.Module):
    """Tokens, positions, causal attention, tanh-GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(50, 16), nn.Parameter(torch.zeros(6, 16))
        self.norm, self.qkv, self.head = nn.LayerNorm(16), nn.Linear(16, 48, bias=False), nn.Linear(16, 50)

    def forward(self, ids):
        x = self.words(ids) + self.positions
        parts = self.qkv(self.norm(x)).chunk(3, -1)
        query, key, value = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in parts)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.head(F.gelu(x + mixed.transpose(1, 2).flatten(2), approximate="tanh"))


def test_a_decoder_with_a_causal_mask(tmp_path):
    assert_same_work(*both(Decoder(), (torch.zeros(2, 6, dtype=torch.int64),), tmp_path))


class Unet(nn.Module):
    """Strided and transposed convolutions, group norm, interpolation, concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8)
        self.up, self.out = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(15, 2, 1)

    def forward(self, x):
        low = F.silu(self.norm(self.down(x)))
        bilinear = F.interpolate(low, scale_factor=2.0, mode="bilinear")
        return self.out(torch.cat([self.up(low), bilinear, x], 1))


@pytest.mark.parametrize("opset", [11, 17])
def test_a_network_that_goes_down_and_up(tmp_path, opset):
    assert_same_work(*both(Unet(), (torch.zeros(2, 3, 16, 16),), tmp_path, opset=opset))


def test_a_recurrent_network_within_a_percent(tmp_path):
    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(50, 16)
            self.cells, self.head = nn.LSTM(16, 24, 2, batch_first=True, bidirectional=True), nn.Linear(48, 5)

        def forward(self, ids):
            return self.head(self.cells(self.words(ids))[0][:, -1])

    graph, reference = both(Lstm(), (torch.zeros(2, 7, dtype=torch.int64),), tmp_path)
    assert graph.total_flops == reference.total_flops
    assert graph.n_parameters == reference.n_parameters
    assert graph.total_bytes == pytest.approx(reference.total_bytes, rel=0.01)
    assert graph.backward_flops.sum() == reference.backward_flops.sum()
    assert graph.backward_bytes.sum() == pytest.approx(reference.backward_bytes.sum(), rel=0.15)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext", "test_resnet"])
def test_models_of_timm(tmp_path, name):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    model = import_library("timm").create_model(name, pretrained=False, num_classes=10)
    graph, reference = both(model, (torch.zeros(2, 3, 160, 160),), tmp_path)
    assert graph.total_flops == reference.total_flops
    assert graph.backward_flops.sum() == reference.backward_flops.sum()
    for total in ("total_bytes", "n_parameters", "peak_infer_bytes"):
        assert getattr(graph, total) == pytest.approx(getattr(reference, total), rel=0.01), total
    assert graph.backward_bytes.sum() == pytest.approx(reference.backward_bytes.sum(), rel=0.15)
    assert graph.unknown == {}
