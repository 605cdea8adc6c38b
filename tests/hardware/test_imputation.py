"""FP16 by the architecture's ratio: what is guessed, what is refused, and how honest the interval is."""

import numpy as np
import pytest

from perfseer.hardware.imputation import impute, validate_imputation
from tests.helpers.specifications import settings, specs

LIMITS = settings().imputation


def members(ratios, architecture="GCN 3.0"):
    return {
        f"{architecture}-{i}": {
            "architecture": architecture,
            "fp32_flops": 1e12,
            "fp16_vector_flops": r * 1e12,
        }
        for i, r in enumerate(ratios)
    }


LACKING = {"new": {"architecture": "GCN 3.0", "fp32_flops": 4e12}}


def test_a_guess_is_fp32_times_the_usual_ratio_with_an_interval():
    ratios = [2.0] * 11 + [2.02]
    given = specs(members(ratios) | LACKING)
    found = impute(given, LIMITS)
    assert found.specs.table.loc["new", "fp16_vector_flops"] == 8e12
    assert found.specs.status.loc["new", "fp16_vector_flops"] == "imputed"
    row = found.intervals.iloc[0]
    assert (row["key"], row["members"], row["value"]) == ("new", 12, 8e12)
    # 12 residuals: the ceil(13 x 0.9) = 12th of their sizes, ln 1.01.
    assert row["low"] == pytest.approx(8e12 / 1.01)
    assert row["high"] == pytest.approx(8e12 * 1.01)
    assert given.status.loc["new", "fp16_vector_flops"] == "missing"
    assert np.isnan(found.specs.observed().loc["new", "fp16_vector_flops"])


@pytest.mark.parametrize(
    ("ratios", "reason"),
    [
        ([1.0] * 9, "9 accelerators"),
        ([1.0] * 9 + [2.0] * 3, "within 2% for 75% only"),
        ([1.0] * 18 + [1.3, 1.3], "spans a factor"),
    ],
)
def test_an_architecture_that_does_not_hold_is_refused_with_its_reason(ratios, reason):
    found = impute(specs(members(ratios) | LACKING), LIMITS)
    assert found.specs.status.loc["new", "fp16_vector_flops"] == "missing"
    assert found.intervals.empty
    assert len(found.refused) == 1
    assert reason in found.refused.loc[0, "reason"]
    assert found.refused.loc[0, "lacking"] == 1


def test_guesses_rest_on_published_figures_alone():
    rows = members([2.0] * 12) | LACKING
    derived = dict.fromkeys(members([2.0] * 12), "derived")
    assert impute(specs(rows, fp16_vector_flops=derived), LIMITS).intervals.empty
    assert impute(specs(rows, fp32_flops={"new": "imputed"}), LIMITS).intervals.empty
    unnamed = rows | {"new": {"fp32_flops": 4e12}}
    assert impute(specs(unnamed), LIMITS).intervals.empty


def test_leaving_each_out_counts_by_hand():
    # Median of the others: 1 for the three ones with 1, 1, 2; for the 2 it is 1: an error of a half.
    found = validate_imputation(specs(members([1.0, 1.0, 1.0, 2.0]) | members([5.0], "alone")), LIMITS)
    assert found.accelerators == 4
    assert found.exact_share == 0.75
    assert found.mean_error == pytest.approx(0.5 / 4)
    assert found.with_interval == 0
    assert np.isnan(found.coverage)


def test_medians_of_the_others_are_medians_of_the_others():
    from perfseer.hardware.imputation import _medians_of_others

    rng = np.random.default_rng(0)
    for n in (2, 3, 8, 9):
        ratios = rng.lognormal(size=n).round(1)
        expected = [np.median(np.delete(ratios, i)) for i in range(n)]
        assert _medians_of_others(ratios).tolist() == pytest.approx(expected)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(1)
    rows = {}
    for i in range(20):
        rows |= members(rng.lognormal(0, 0.005, size=60), f"architecture {i}")
    found = validate_imputation(specs(rows), LIMITS)
    assert found.with_interval == 1200
    assert 0.88 <= found.coverage <= 0.94
