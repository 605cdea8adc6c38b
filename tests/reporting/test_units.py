"""Numbers for people: scales from the data, nothing positive shown as zero."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfseer.errors import PerfseerError
from perfseer.evaluation.intervals import Interval
from perfseer.reporting import units

FINITE = st.floats(min_value=5e-324, max_value=1.7e308)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (12.345, "12.3"),
        (99.96, "100"),
        (9.996, "10.0"),
        (0.09996, "0.100"),
        (0.00123, "0.00123"),
        (0.00001234, "1.23e-05"),
        (1234.5, "1,234"),
        (17105, "17,105"),
        (-2.5, "-2.50"),
    ],
)
def test_number(value, text):
    assert units.number(value) == text


@given(FINITE)
def test_no_positive_value_is_shown_as_zero(value):
    assert float(units.number(value).replace(",", "")) > 0


@given(FINITE, st.sampled_from(sorted(units.SCALES)))
def test_scaled_values_are_not_zero_either(value, kind):
    scale = units.choose_scale([value], kind)
    if math.isfinite(value / scale.factor) and value / scale.factor > 0:
        assert float(scale.show(value).replace(",", "")) > 0


@given(st.floats(min_value=1e-3, max_value=1e14))
def test_three_digits_are_within_half_a_percent(value):
    assert float(units.number(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_are_refused(value):
    with pytest.raises(PerfseerError, match="cannot show"):
        units.number(value)


@pytest.mark.parametrize(
    ("values", "kind", "unit", "shown"),
    [
        ([2.5e6, 3e6, 1e9], "flops", "MFLOPs", "3.00"),
        ([4e10], "flops", "GFLOPs", "40.0"),
        ([12.0], "flops", "FLOPs", "12.0"),
        ([36.4e9], "bytes", "GB", "36.4"),
        ([2048.0], "MiB", "GiB", "2.00"),
        ([0.25], "ms", "µs", "250"),
        ([1919.5], "ms", "s", "1.92"),
        ([4.5e6], "parameters", "M", "4.50"),
        ([0.5], "%", "%", "0.500"),
    ],
)
def test_scale_follows_the_data(values, kind, unit, shown):
    scale = units.choose_scale(values, kind)
    assert scale.unit == unit
    assert scale.show(sorted(values)[len(values) // 2]) == shown


def test_small_flops_are_never_zero_giga():
    # The mistake of an earlier report: 3 MFLOPs as "0.0 G".
    assert units.choose_scale([3.1e6], "flops").named(3.1e6) == "3.10 MFLOPs"


def test_unknown_kind():
    with pytest.raises(PerfseerError, match="furlongs"):
        units.choose_scale([1.0], "furlongs")


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (12.345, 1.25, "12.3 ± 1.2 %"),
        (5.0, 0.004, "5.000 ± 0.004 %"),
        (5.0, None, "5.00 % (1 seed)"),
        (0.0, 0.0, "0.00 ± 0.00 %"),
        (1234.0, 99.0, "1,234 ± 99 %"),
    ],
)
def test_interval(mean, half, text):
    assert units.interval(Interval(mean, half, 3, 0.95), "%") == text


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_mean_and_width_have_the_same_decimals(mean, half):
    left, right = units.interval(Interval(mean, half, 3, 0.95)).split(" ± ")
    assert len(re.sub(r"^[\d,]*\.?", "", left)) == len(re.sub(r"^[\d,]*\.?", "", right))


def test_an_interval_that_is_not_there_is_missing():
    assert units.interval(None) == units.interval(None, "%") == units.MISSING


def test_a_single_value_is_named_in_its_own_scale():
    assert units.named(7200.0, "s") == "2.00 h"
    assert units.named(0.5, "MiB") == "512 KiB"


def test_signed_uses_a_true_minus():
    assert [units.signed(v) for v in (1.5, -1.5, 0)] == ["+1.50", "−1.50", "0"]
    assert units.signed_interval(Interval(-2.0, 0.5, 3, 0.95)) == "−2.00 ± 0.50"


def test_a_share_is_shown_in_per_cent():
    assert [units.in_percent(share) for share in (0.95, 0.125, 1)] == ["95 %", "12.5 %", "100 %"]


def test_plural():
    assert [units.plural(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]
