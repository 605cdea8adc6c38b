"""Figures by rule, computed by hand."""

import pytest

from perfseer.hardware.derivation import (
    check_derivation,
    derive,
    matrix_units,
    units_of,
)
from perfseer.hardware.specs import PEAKS
from tests.helpers.specifications import A100, MI210, RTX4090, specs


def test_peaks_of_matrix_units_follow_from_multiprocessors_rate_and_clock():
    known = derive(specs({"a100": A100, "4090": RTX4090, "mi210": MI210}))
    values, status = known.table, known.status
    # 108 SMs x 2048 FLOP x 1.41 GHz; the data sheet says 312 TFLOP/s and 624 TOP/s.
    assert values.loc["a100", "fp16_flops"] == pytest.approx(3.1187e14, rel=1e-4)
    assert values.loc["a100", "tf32_flops"] == pytest.approx(1.5593e14, rel=1e-4)
    assert values.loc["a100", "int8_ops"] == pytest.approx(6.2374e14, rel=1e-4)
    # NVIDIA's Ada whitepaper: 165.2 with FP32 accumulate, 660.6 INT8, 330.3 FP8 with FP32 accumulate.
    assert values.loc["4090", "fp16_flops"] == pytest.approx(1.652e14, rel=1e-3)
    assert values.loc["4090", "tf32_flops"] == pytest.approx(8.26e13, rel=1e-3)
    assert values.loc["4090", "int8_ops"] == pytest.approx(6.606e14, rel=1e-3)
    assert values.loc["4090", "fp8_flops"] == pytest.approx(3.303e14, rel=1e-3)
    # 104 compute units of 64 lanes; AMD says 181.0.
    assert values.loc["mi210", "multiprocessors"] == 104
    assert values.loc["mi210", "fp16_flops"] == pytest.approx(1.810e14, rel=1e-3)
    assert set(status.loc["mi210", ["multiprocessors", "fp16_flops", "int8_ops"]]) == {"derived"}
    # What these do not compute in stays unknown.
    assert values.loc["a100", ["fp8_flops", "fp4_flops"]].isna().all()
    assert status.loc["a100", "fp8_flops"] == "missing"


def test_an_rtx_5090_has_fp4_at_the_full_rate():
    card = RTX4090 | {"architecture": "Blackwell 2.0", "chip": "GB202", "multiprocessors": 170}
    known = derive(specs({"5090": card | {"boost_clock_hz": 2.407e9}})).table.loc["5090"]
    # NVIDIA's RTX Blackwell whitepaper: 209.5, 419, 838 and 1,676.
    assert [
        round(known[name] / 1e12, 1) for name in ("fp16_flops", "fp8_flops", "int8_ops", "fp4_flops")
    ] == [*(209.5, 419.0, 838.0, 1676.0)]


def test_published_figures_are_never_touched_and_guesses_never_used():
    published = specs({"a100": A100 | {"fp16_flops": 3.12e14, "year": 2020}})
    known = derive(published)
    assert known.table.loc["a100", "fp16_flops"] == 3.12e14
    assert known.status.loc["a100", "fp16_flops"] == "observed"
    assert known.table.loc["a100", "bf16_flops"] == 3.12e14
    assert known.table.loc["a100", "year"] == 2020
    assert published.status.loc["a100", "bf16_flops"] == "missing"
    guessed = specs({"a100": A100}, multiprocessors={"a100": "imputed"})
    assert derive(guessed).status.loc["a100", "fp16_flops"] == "missing"


def test_the_year_follows_from_the_day_of_launch():
    known = derive(specs({"a100": A100, "odd": MI210 | {"launched": "soon"}}))
    assert known.table.loc["a100", "year"] == pytest.approx(2020 + 10 / 12)
    assert known.status.loc["odd", "year"] == "missing"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "NVIDIA L40"},  # half of the L40S, says its data sheet
        {"name": "CMP 90HX"},
        {"name": "NVIDIA GeForce RTX 5090 D"},
        {"tensor_cores": float("nan")},  # switched off
        {"chip": "AD999"},
        {"architecture": "Hopper", "chip": "GH100"},  # stated at another clock
    ],
)
def test_no_peak_where_the_rule_does_not_hold(changes):
    assert derive(specs({"it": RTX4090 | changes})).status.loc["it", "fp16_flops"] == "missing"


def test_an_l40s_is_not_an_l40():
    known = derive(specs({"it": RTX4090 | {"name": "NVIDIA L40S", "multiprocessors": 142}}))
    assert known.table.loc["it", "fp16_flops"] == pytest.approx(142 * 1024 * 2.52e9)


def test_ratios_hold_where_the_clock_does_not():
    h100 = A100 | {"architecture": "Hopper", "chip": "GH100", "fp16_flops": 9.894e14}
    known = derive(specs({"h100": h100})).table.loc["h100"]
    assert known["fp8_flops"] == known["int8_ops"] == 2 * 9.894e14
    assert known["tf32_flops"] == 9.894e14 / 2
    ultra = derive(specs({"b300": h100 | {"architecture": "Blackwell Ultra", "chip": "GB110"}}))
    assert ultra.status.loc["b300", "int8_ops"] == "missing"


def test_rules_are_held_against_what_is_published():
    found = check_derivation(
        derive(specs({"a": A100 | {"fp16_flops": 3.12e14, "int8_ops": 6.24e14}, "b": RTX4090}))
    )
    assert found[["key", "figure"]].to_numpy().tolist() == [["a", "fp16_flops"], ["a", "int8_ops"]]
    assert found["ratio"].tolist() == [pytest.approx(0.99958, abs=1e-5), 1.0]
    doubled = check_derivation(specs({"4090": RTX4090 | {"fp16_flops": 3.303e14}}))
    assert doubled["ratio"].tolist() == [pytest.approx(0.5, rel=1e-3)]


def test_every_generation_is_told_apart_and_every_rate_has_a_source():
    names = [units.generation for units in matrix_units()]
    assert len(names) == len(set(names)) == 17
    for units in matrix_units():
        assert units.source
        assert set(units.times) < set(PEAKS)
        assert units.fp16_per_cycle is None or units.fp16_per_cycle in (512, 1024, 2048, 4096)
    dies = {
        "GA102": "Ampere GA10x",
        "GA107SB": "Ampere GA10x",
        "GA100": "Ampere GA100",
        "GA10B": "Ampere Orin",
    }
    rows = {die: A100 | {"chip": die} for die in dies}
    assert units_of(specs(rows).table).to_dict() == dies
