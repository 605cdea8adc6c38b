"""The 46 features: their number, their scale, and that test rows leak nothing."""

from collections import Counter

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.features import FEATURES, FeatureScaler, raw_features
from tests.helpers.specifications import A100, MI210, RTX4090, specs

ROWS = {"a": A100, "b": RTX4090, "c": MI210, "d": A100 | {"tdp_w": 250, "memory_bytes": 40 * 2**30}}


def test_there_are_46_in_six_groups():
    groups = Counter(feature.group for feature in FEATURES.values())
    assert groups == {"peaks": 9, "memory": 6, "process": 5, "power": 4, "ratios": 10, "kinds": 12}
    assert len(FEATURES) == 46
    assert all(feature.meaning for feature in FEATURES.values())


def test_raw_values_by_hand():
    found = raw_features(specs(ROWS))
    assert found.columns.tolist() == list(FEATURES)
    assert found.loc["a", "ln_tdp"] == np.log(400)
    assert found.loc["a", "ln_fp32_per_watt"] == pytest.approx(np.log(1.949e13 / 400))
    assert found.loc["a", "ln_pin_rate"] == pytest.approx(np.log(2.039e12 / 5120))
    assert found.loc["a", ["vendor_nvidia", "vendor_amd", "vendor_other", "memory_hbm"]].tolist() == [
        1,
        0,
        0,
        1,
    ]
    assert np.isnan(found.loc["a", "ln_ops8_over_fp16"])
    assert np.isnan(raw_features(specs({"bad": {"tdp_w": 0.0}})).loc["bad", "ln_tdp"])


def test_training_rows_have_mean_0_and_spread_1_and_constants_become_0():
    scaler = FeatureScaler.fit(specs(ROWS), ["a", "d"])
    scaled = scaler.transform(specs(ROWS))
    # ln 400 and ln 250 lie one standard deviation from their mean.
    assert scaled.loc[["a", "d"], "ln_tdp"].tolist() == pytest.approx([1, -1])
    assert scaled.loc[["a", "d"], "ln_bandwidth"].tolist() == [0, 0]
    assert scaled.loc[["a", "d"], "ln_fp8_flops"].isna().all()
    middle = (np.log(400) + np.log(250)) / 2
    spread = (np.log(400) - np.log(250)) / 2
    assert scaled.loc["b", "ln_tdp"] == pytest.approx((np.log(450) - middle) / spread)


def test_a_test_row_changes_neither_the_scaler_nor_a_training_value():
    training = ["a", "d"]
    changed = ROWS | {"b": {name: 7.0 if isinstance(x, float) else x for name, x in RTX4090.items()}}
    changed["c"] = MI210 | {"tdp_w": 1e6, "fp32_flops": 1.0, "vendor": "Nobody"}
    before, after = (FeatureScaler.fit(specs(rows), training) for rows in (ROWS, changed))
    assert before.mean.equals(after.mean)
    assert before.sd.equals(after.sd)
    first, second = before.transform(specs(ROWS)), after.transform(specs(changed))
    assert first.loc[training].equals(second.loc[training])
    assert not first.loc["c"].equals(second.loc["c"])


def test_training_keys_must_be_known_and_count_once():
    twice = FeatureScaler.fit(specs(ROWS), ["a", "d", "d"])
    assert twice.mean["ln_tdp"] == pytest.approx((np.log(400) + np.log(250)) / 2)
    with pytest.raises(PerfseerError, match="nobody"):
        FeatureScaler.fit(specs(ROWS), ["a", "nobody"])
    with pytest.raises(PerfseerError, match="at least one"):
        FeatureScaler.fit(specs(ROWS), [])
