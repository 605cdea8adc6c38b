"""Statistics of accelerators against numbers worked out by hand and by scipy."""

from math import log

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, spearmanr

from perfseer.studies.hardware.correlation import correlations
from perfseer.studies.hardware.patterns import contrasts, pattern_rows
from perfseer.studies.hardware.prices import hedonics, pareto, price_rows
from perfseer.studies.hardware.regression import least_squares
from perfseer.studies.hardware.resampling import (
    drawn_weights,
    weighted_medians,
    weighted_ranks,
    weighted_spearman,
)
from perfseer.studies.hardware.shares import absolute, shares
from perfseer.studies.hardware.spread import floors, spread_rows
from perfseer.studies.hardware.trends import segment_members, trends
from tests.helpers.hardware_study import full_study, many_specs, result, study
from tests.helpers.specifications import specs


@pytest.fixture(scope="module")
def full():
    return full_study()


def test_whole_weights_are_repetitions():
    x, y = np.array([3.0, 1.0, 1.0, 7.0]), np.array([2.0, 5.0, 1.0, 9.0])
    times = np.array([2, 1, 3, 1])
    repeated = np.repeat(x, times), np.repeat(y, times)
    weights = times[:, None].astype(float)
    assert weighted_spearman(x, y, weights)[0] == pytest.approx(spearmanr(*repeated).statistic)
    assert weighted_medians(x, weights)[0] == np.median(repeated[0])
    assert weighted_ranks(x, np.ones((4, 1)))[:, 0] + 0.5 == pytest.approx([3, 1.5, 1.5, 4])


def test_cards_of_a_die_are_drawn_together():
    weights = drawn_weights(["a", "b", "a", "c"], 50, 0)
    assert (weights[0] == weights[2]).all()
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()


def test_correlations_are_those_of_scipy_with_their_number(full):
    table = full.specs.table
    (pair,) = [pair for pair in correlations(full) if (pair.first, pair.second) == ("fp32_flops", "g3d")]
    assert pair.rho == pytest.approx(spearmanr(table["fp32_flops"], table["g3d"]).statistic)
    assert pair.n == 24
    assert pair.low < pair.rho < pair.high


def test_what_is_guessed_takes_no_part():
    figures = many_specs(8)
    figures.status.loc[figures.table.index[:3], "fp32_flops"] = "imputed"
    (pair,) = [p for p in correlations(study(figures)) if (p.first, p.second) == ("fp32_flops", "g3d")]
    assert pair.n == 5


def test_slopes_are_those_of_scipy_and_clusters_widen_intervals():
    draw = np.random.default_rng(0)
    x = np.repeat(np.arange(10.0), 4)
    y = 2 * x + np.repeat(draw.normal(size=10), 4)
    columns = np.column_stack([np.ones(40), x])
    alone = least_squares(columns, y, np.arange(40), 0.95)
    together = least_squares(columns, y, np.repeat(np.arange(10), 4), 0.95)
    assert together.coefficients[1] == pytest.approx(linregress(x, y).slope)
    assert together.r2 == pytest.approx(linregress(x, y).rvalue ** 2)
    assert np.diff(together.interval(1)) > 1.5 * np.diff(alone.interval(1))


def test_an_exact_trend_is_found_exactly():
    rows = {
        f"k{i}": {
            **{"name": f"K{i}", "vendor": "V", "category": "Desktop", "year": 2010.0 + i, "tdp_w": 100.0},
            "fp32_flops": 1e12 * 2 ** (i / 3) * (1 + 1e-9 * (i % 2)),
        }
        for i in range(9)
    }
    (of_all, of_desktop) = trends(study(specs(rows)))
    assert (of_all.scope, of_desktop.scope) == ("all", "Desktop")
    assert of_all.slope == pytest.approx(log(2) / 3)
    assert of_all.doubling[0] == pytest.approx(3.0)


def test_segments_are_separated_by_blanks():
    figures = many_specs(3)
    tiers = pd.DataFrame({"efficiency_tier": "", "performance_category": "", "segments": ["a b", "", "b"]})
    members = segment_members(study(figures, tiers=tiers.set_axis(figures.table.index)))
    assert members == {"a": ["a00"], "b": ["a00", "a02"]}


def test_patterns_are_quartiles_and_vendors_differ_as_they_were_made_to(full):
    rows = pattern_rows(full, "vendor")
    row = rows[(rows["group"] == "Ayla") & (rows["quantity"] == "fp32_per_watt")].iloc[0]
    table = full.specs.table[full.specs.table["vendor"] == "Ayla"]
    assert row["median"] == pytest.approx((table["fp32_flops"] / table["tdp_w"]).median())
    found = {(c.quantity, c.first, c.second): c for c in contrasts(full)}
    # 1 + 0.2 times 0, 1, 2: what `many_specs` gives the vendors.
    assert found["fp32_per_watt", "Ayla", "Cyra"].ratio == pytest.approx(1 / 1.4, rel=0.01)
    assert found["fp32_per_watt", "Ayla", "Cyra"].q < 0.01
    assert found["ridge_fp32", "Ayla", "Borea"].q > 0.05


def test_nobody_on_the_front_is_beaten():
    assert pareto([1, 2, 2, 3, 1], [5, 5, 9, 8, 5]).tolist() == [True, False, True, False, True]


def test_prices_are_held_against_the_performance_of_their_kind(full):
    rows = price_rows(full).set_index(["kind", "key"])
    row = rows.loc[("retail", "a03")]
    assert row["usd"] == 227
    assert row["per_usd"] == pytest.approx(full.specs.table["g3d"].loc["a03"] / 227)
    best = rows.loc["launch"]["per_usd"].to_numpy()
    assert (np.diff(best) <= 0).all()


def test_prices_at_equal_figures_fall_as_they_were_made_to():
    figures = many_specs()
    table = figures.table
    usd = table["memory_bytes"] / 1e8 * 0.9 ** table["year"]
    rows = pd.DataFrame(
        {
            "key": list(table.index),
            "kind": "launch",
            "usd": (usd / usd.min() * 100).to_numpy(),
            "date": "2024",
        }
    )
    (model,) = hedonics(study(figures, prices=rows))
    assert model.yearly[0] == pytest.approx(-0.1)
    assert model.fit.coefficients[2] == pytest.approx(1.0)


def test_submitters_are_held_against_the_others():
    figures = many_specs(3)
    results = pd.DataFrame(
        [
            *(result("a00", name, rate) for name, rate in (("X", 100), ("Y", 110), ("Z", 120), ("X", 102))),
            result("a01", "X", 50),
            result("a02", "X", 50, n_accelerators=64.0),
            result("a02", "Y", 90, n_accelerators=64.0),
            result("a00", "W", 999, mig=True),
            result("a00", "V", 999, division="open"),
            result("", "U", 999),
        ]
    )
    made = study(figures, results=results)
    rows = spread_rows(made)
    assert rows["submitter"].tolist() == ["X", "Y", "Z"]
    assert rows["difference"].tolist() == pytest.approx([101 / 115 - 1, 110 / 110.5 - 1, 120 / 105.5 - 1])
    by_scenario = {floor.scenario: floor for floor in floors(made, rows)}
    assert by_scenario["all"].median_pct == pytest.approx(100 * (1 - 101 / 115))
    assert np.isnan(by_scenario["all"].low)


def test_shares_are_known_where_results_are_made_of_them():
    figures = many_specs(12)
    factor = {"One": 1.0, "Two": 4.0, "Three": 2.0, "Four": 2.0}
    peak, generation = figures.table["fp16_flops"], figures.table["generation"]
    results = pd.DataFrame(
        [
            result(key, "X", peak.loc[key] * factor[generation.loc[key]] * asked, benchmark=task)
            for key in figures.table.index
            for task, asked in (("net", 1e-10), ("other", 1e-9))
        ]
    )
    made = study(figures, results=results, work={"net": 1e9})
    found = {share.generation: share.share for share in shares(made)}
    assert found["Two"] / found["One"] == pytest.approx(4.0)
    assert found["Three"] / found["Four"] == pytest.approx(1.0)
    reached = absolute(made).set_index("generation")["share"]
    assert reached["One"] == pytest.approx(0.1)
    assert reached["Two"] == pytest.approx(0.4)
