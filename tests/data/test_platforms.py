"""Platforms and the table of devices: sane figures, names that tell devices apart, finite features."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.data.devices import device_spec, device_specs, plain_name
from perfseer.data.platforms import PLATFORM_COLUMNS, Platform, platform_features
from perfseer.errors import PerfseerError

RTX_3090 = Platform("rtx3090", "cuda", "amp-fp16", "nchw", "eager", "torch 2.4.0 cu124")


def column(platform, name):
    return float(platform_features([platform])[0, PLATFORM_COLUMNS.index(name)])


@pytest.mark.parametrize(
    ("name", "fp32", "fp16", "bandwidth", "memory_gib", "multiprocessors"),
    [
        ("RTX 3090", 35.6e12, 71.2e12, 936e9, 24, 82),
        ("RTX 4090", 82.6e12, 165.2e12, 1008e9, 24, 128),
        ("Tesla V100-SXM2-16GB", 15.7e12, 125e12, 900e9, 16, 80),
        ("NVIDIA A100-SXM4-80GB", 19.5e12, 312e12, 2039e9, 80, 108),
        ("Tesla T4", 8.1e12, 65e12, 320e9, 16, 40),
        ("NVIDIA L4", 30.3e12, 121e12, 300e9, 24, 58),
        ("NVIDIA H100 80GB HBM3", 66.9e12, 989.4e12, 3350e9, 80, 132),
        ("NVIDIA RTX A6000", 38.7e12, 154.8e12, 768e9, 48, 84),
        ("NVIDIA GeForce RTX 5090", 104.8e12, 209.5e12, 1792e9, 32, 170),
    ],
)
def test_figures_are_those_of_the_data_sheets(name, fp32, fp16, bandwidth, memory_gib, multiprocessors):
    spec = device_spec(name)
    assert spec.fp32_flops == pytest.approx(fp32, rel=0.01)
    assert spec.peak_flops("amp-fp16") == pytest.approx(fp16, rel=0.01)
    assert spec.bandwidth_bytes_per_s == pytest.approx(bandwidth, rel=0.01)
    assert spec.memory_bytes == memory_gib * 2**30
    assert spec.multiprocessors == multiprocessors


def test_a_cpu_has_the_peak_of_its_cores_and_the_bandwidth_of_its_channels():
    spec = device_spec("Intel(R) Core(TM) i9-10940X CPU @ 3.30GHz")
    assert spec.kind == "cpu"
    assert spec.fp32_flops == pytest.approx(14 * 3.3e9 * 2 * 2 * 16, rel=1e-3)
    assert spec.bandwidth_bytes_per_s == pytest.approx(4 * 2933e6 * 8, rel=1e-3)
    assert spec.peak_flops("bf16") == spec.fp32_flops


def test_every_row_of_the_table_is_physically_possible():
    assert len(device_specs()) >= 60
    for spec in device_specs():
        assert 1e11 < spec.fp32_flops < 1e15, spec.name
        assert 2 < spec.fp32_flops / spec.bandwidth_bytes_per_s < 150, spec.name
        assert spec.fp32_flops <= spec.peak_flops("amp-fp16") < 50 * spec.fp32_flops, spec.name
        assert 0.9e9 < spec.clock_hz < 6e9, spec.name
        assert (
            0.2
            < spec.fp32_flops / spec.multiprocessors / spec.clock_hz / (64 if spec.kind == "cpu" else 256)
            < 1.1
        )
        assert 2**20 <= spec.l2_bytes <= 2**29, spec.name
        assert 30 < spec.tdp_w <= 1500, spec.name
        assert 2015 <= spec.year <= 2026, spec.name
        assert (spec.memory_bytes is None) == (spec.kind == "cpu"), spec.name
        assert (spec.tf32_flops or 0) <= (spec.fp16_flops or 0), spec.name
        assert len(spec.source) > 20, spec.name


def test_no_two_devices_share_a_name():
    spellings = [plain_name(name) for spec in device_specs() for name in (spec.name, spec.key)]
    assert all(spellings)
    assert len({spec.key for spec in device_specs()}) == len(device_specs())
    assert all(device_spec(spec.key) is spec and device_spec(spec.name) is spec for spec in device_specs())


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce RTX 3090", "rtx3090", "RTX 3090", "3090", "GeForce RTX-3090"]
)
def test_spellings_of_one_device_are_one_platform(name):
    assert replace(RTX_3090, device=name) == RTX_3090
    assert RTX_3090.key == "rtx3090-amp-fp16-nchw-eager-torch2.4"


@pytest.mark.parametrize("name", ["RTX 3090 Ti", "NVIDIA GeForce RTX 3090 Laptop GPU", "", "GPU", "AMD EPYC"])
def test_other_devices_are_not_taken_for_it(name):
    assert device_spec(name) is not device_spec("rtx3090")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("device_kind", "tpu", "device_kind 'tpu', expected one of cpu, cuda"),
        ("precision", "int8", "precision 'int8'"),
        ("memory_format", "chwn", "memory_format"),
        ("mode", "jit", "mode"),
        ("device", "", "no device"),
        ("units", 0, "at least 1"),
        ("device_kind", "cpu", "is of kind cuda"),
    ],
)
def test_impossible_platforms_are_refused(field, value, message):
    with pytest.raises(PerfseerError, match=message):
        replace(RTX_3090, **{field: value})


def rows(**changes):
    row = {
        "device": "NVIDIA GeForce RTX 3090",
        "device_kind": "cuda",
        "precision": "amp-fp16",
        "memory_format": "nchw",
        "mode": "eager",
        "environment": json.dumps({"torch": "2.4.0", "cuda": "12.4", "multiprocessors": 82}),
    }
    return pd.DataFrame([{**row, **changes}])


def test_rows_of_a_measurement_table_name_their_platform():
    table = pd.concat([rows(), rows(mode="compiled"), rows()], ignore_index=True)
    platforms = Platform.of_rows(table)
    assert platforms == [RTX_3090, replace(RTX_3090, mode="compiled"), RTX_3090]
    assert platforms[0] is platforms[2]


def test_a_cpu_of_which_only_some_cores_are_used_says_how_many():
    environment = json.dumps({"torch": "2.9.1+cpu", "threads": 2})
    changes = {"device": "i9-10940X", "device_kind": "cpu", "precision": "fp32", "environment": environment}
    (platform,) = Platform.of_rows(rows(**changes))
    assert platform.key == "i9-10940x-2units-fp32-nchw-eager-torch2.9"
    assert platform.software == "torch 2.9.1 cpu"
    whole = replace(platform, units=14)
    assert whole.units is None
    for name in ("ln_peak_flops", "ln_fp32_flops", "ln_multiprocessors"):
        assert column(platform, name) == pytest.approx(column(whole, name) + np.log(2 / 14))
    assert column(platform, "ln_bandwidth") == column(whole, "ln_bandwidth")


@pytest.mark.parametrize("environment", ["", "{", "[1]", "nan"])
def test_rows_without_an_environment_are_refused(environment):
    with pytest.raises(PerfseerError, match="environment"):
        Platform.of_rows(rows(environment=environment))
    with pytest.raises(PerfseerError, match="columns"):
        Platform.of_rows(rows().drop(columns="environment"))


def test_features_of_a_known_platform():
    assert column(RTX_3090, "ln_peak_flops") == pytest.approx(np.log(71.16e12), abs=1e-3)
    assert column(replace(RTX_3090, precision="fp32"), "ln_peak_flops") == pytest.approx(
        np.log(35.58e12), abs=1e-3
    )
    assert column(RTX_3090, "ln_bandwidth") == pytest.approx(np.log(936.2e9), abs=1e-3)
    assert column(RTX_3090, "ln_flops_per_byte") == pytest.approx(np.log(71.16e12 / 936.2e9), abs=1e-3)
    assert column(RTX_3090, "torch_version") == 2.04
    assert [column(RTX_3090, name) for name in ("is_cuda", "is_16_bit", "is_autocast")] == [1, 1, 1]
    assert [column(RTX_3090, name) for name in PLATFORM_COLUMNS[-5:]] == [1, 0, 0, 0, 0]


def test_features_are_finite_for_devices_nobody_has_heard_of():
    unknown = Platform("Quantum 9000", "cuda", "bf16", "nhwc", "compiled", "", units=100)
    values = platform_features([unknown, replace(unknown, units=None), replace(unknown, device_kind="cpu")])
    assert values.shape == (3, len(PLATFORM_COLUMNS))
    assert np.isfinite(values).all()
    assert column(unknown, "ln_multiprocessors") == pytest.approx(np.log(100))
    assert column(unknown, "is_unknown_device") == column(unknown, "is_unknown_software") == 1
    half = replace(unknown, units=50)
    assert column(half, "ln_peak_flops") < column(unknown, "ln_peak_flops")
    assert platform_features([]).shape == (0, len(PLATFORM_COLUMNS))
