"""Tiers, categories and uses at their thresholds; settings that make no sense are refused."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.tiers import performance_categories, segment_conditions, segments, tiers
from tests.helpers.specifications import A100, RTX4090, SETTINGS, settings, specs


def test_a_threshold_belongs_to_the_better_name():
    per_watt = {"a": 2.0, "b": 1.999, "c": 1.0, "d": 0.5, "e": 0.2, "f": 0.1}
    given = specs({key: {"fp16_flops": x * 1e14, "tdp_w": 100} for key, x in per_watt.items()} | {"g": {}})
    expected = ["Ultra", "Premium", "Premium", "High-End", "Mid-Range", "Entry", ""]
    assert tiers(given, settings()).tolist() == expected
    rates = {"a": 900, "b": 899, "c": 300, "d": 100, "e": 30, "f": 29}
    given = specs({key: {"fp16_flops": x * 1e12} for key, x in rates.items()} | {"g": {}})
    expected = ["AI_Flagship", "AI_High_End", "AI_High_End", "AI_Mid_Range", "AI_Entry", "AI_Basic", ""]
    assert performance_categories(given, settings()).tolist() == expected
    assert (tiers(given, settings()) == "").all()


def test_a_use_asks_for_everything_it_names_and_unknown_is_no():
    big = A100 | {"fp16_flops": 3.12e14, "bf16_flops": 3.12e14}
    rows = {
        "a100": big,
        "no bf16": big | {"bf16_flops": np.nan},
        "small": big | {"memory_bytes": 39e9},
        "t4": {"int8_ops": 1.3e14, "tdp_w": 70},
        "t4 at 76 W": {"int8_ops": 1.3e14, "tdp_w": 76},
        "4090": RTX4090,
        "laptop": RTX4090 | {"category": "Mobile"},
        "unknown": {},
    }
    found = segments(specs(rows), settings())
    assert found.columns.tolist() == ["edge", "graphics", "train_llm"]
    assert found.index[found["train_llm"]].tolist() == ["a100"]
    assert found.index[found["edge"]].tolist() == ["t4"]
    assert found.index[found["graphics"]].tolist() == ["4090"]
    assert segment_conditions(settings())["edge"] == "8 bits of matrix units ≥ 10 TOP/s, power limit ≤ 75 W"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tiers": SETTINGS["tiers"] | {"Ultra": 0.7}}, "descend"),
        ({"tiers": SETTINGS["tiers"] | {"Ultra": 1}}, "descend"),
        ({"tiers": SETTINGS["tiers"] | {"Entry": 0.1}}, "expected 0"),
        ({"tiers": {"Ultra": 1, "Entry": 0}}, "Mid-Range"),
        ({"categories": SETTINGS["categories"] | {"AI_Toy": 1}}, "AI_Toy"),
        ({"segments": {"any": {}}}, "without a condition"),
        ({"segments": {"any": {"fp99_tflops": 1}}}, "fp99_tflops"),
        ({"imputation": SETTINGS["imputation"] | {"coverage": 1.0}}, "coverage"),
        ({"quality": SETTINGS["quality"] | {"tdp_w": [10, 1]}}, "lower bound"),
    ],
)
def test_settings_without_sense_are_refused(changes, says):
    with pytest.raises(PerfseerError, match=says):
        settings(**changes)


def test_the_order_of_a_mapping_means_nothing():
    """Mappings lose it on the way through the canonical JSON of a job's parameters."""
    turned = {
        name: dict(reversed(section.items())) if isinstance(section, dict) else section
        for name, section in SETTINGS.items()
    }
    assert settings(**turned) == settings()
    assert list(settings(**turned).tiers) == list(settings().tiers)
    assert list(settings(**turned).segments) == list(settings().segments)
