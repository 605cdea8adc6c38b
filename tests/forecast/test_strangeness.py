"""What is strange about a configuration, by hand."""

import math
import statistics
from dataclasses import replace

import pytest
import torch
from torch import nn

from perfseer.data.devices import device_specs
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.strangeness import STRANGE_COLUMNS, strangeness
from perfseer.graphs.capture import capture
from tests.helpers.forecasts import CPU, R3090

T4 = replace(R3090, device="Tesla T4")
FP32, FP16 = replace(T4, precision="fp32"), replace(T4, precision="fp16")


def test_strange_work_is_told_by_precision_and_kind_of_device():
    layers = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1, bias=False), nn.Conv2d(256, 256, 1, bias=False))
    rows = unlabelled(capture(layers, (torch.empty(8, 256, 56, 56),)), [FP32])

    # Both are bound by arithmetic on this card, of which the first does nine times as much (and launches).
    def found(platform):
        return dict(zip(STRANGE_COLUMNS, strangeness(rows, "infer", platform)[0].tolist(), strict=True))

    power = math.log(70 / 8.1) - _turing()
    assert found(FP32) == pytest.approx(
        {"winograd_share": 0.9, "half": 0.0, "single": 1.0, "power": power, "feeding": 0.0}, abs=0.01
    )
    fed = math.log(65e12 / (40 * 1.59e9) / 512)
    assert found(FP16) == pytest.approx(
        {"winograd_share": 0.0, "half": 1.0, "single": 0.0, "power": power, "feeding": fed}, abs=0.02
    )
    assert set(found(CPU).values()) == {0.0}
    geforce = found(R3090)
    assert [geforce[name] for name in ("winograd_share", "half", "single")] == [0.0] * 3
    assert geforce["feeding"] == pytest.approx(0.0, abs=0.01)


def test_a_card_without_matrix_units_multiplies_less_in_half_precision_too():
    layer = nn.Conv2d(256, 256, 3, padding=1, bias=False)
    rows = unlabelled(capture(layer, (torch.empty(8, 256, 56, 56),)), [FP32])
    pascal = replace(FP16, device="GeForce GTX 1080 Ti")
    assert strangeness(rows, "infer", pascal)[0, 0] == pytest.approx(1.0, abs=0.01)


def _turing():
    alike = [spec for spec in device_specs() if spec.generation == "Turing"]
    return statistics.median(math.log(1e12 * spec.tdp_w / spec.fp32_flops) for spec in alike)


def test_a_layer_by_itself_is_not_strange_for_being_in_half_precision():
    rows = unlabelled(capture(nn.Linear(64, 64), (torch.empty(8, 64),)), [FP16])
    assert strangeness(rows, "infer", FP16)[0, STRANGE_COLUMNS.index("half")] == 0.0
