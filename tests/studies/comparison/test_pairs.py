"""Pieces of comparison.md: rows aligned, pairs mirrored, figures that draw the recorded numbers."""

import dataclasses

import numpy as np
import pytest

from perfseer.studies.comparison.aligned import align, measured, predicted
from perfseer.studies.comparison.failures import group_all, worst_group
from perfseer.studies.comparison.figures import cost_dots, group_maps, mape_bars, pair_matrices
from perfseer.studies.comparison.pairs import compare_all
from perfseer.studies.comparison.ranking import p_text, ranking
from perfseer.studies.experiment import load_experiment
from tests.helpers.experiment_files import MISSING, write_experiment

TIME = "train_time_ms"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return load_experiment(*write_experiment(tmp_path_factory.mktemp("experiment"), MISSING))


@pytest.fixture(scope="module")
def aligned(experiment):
    return align(experiment, "architecture")


@pytest.fixture(scope="module")
def pairs(aligned):
    return compare_all(aligned)


@pytest.fixture(scope="module")
def empty(experiment):
    return align(dataclasses.replace(experiment, runs={}), "architecture")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_predictors_errors_stand_in_the_same_rows(aligned):
    assert len(aligned.rows) == 22
    assert aligned.rows["seed"].tolist() == [0] * 10 + [1] * 12
    errors = aligned.errors[TIME]
    # Off by ± the noise, alternating, 0.2 points more in the second seed.
    assert errors["boosting"].abs().tolist() == pytest.approx([5.0] * 10 + [5.2] * 12)
    assert np.sign(errors["boosting"]).equals(np.sign(errors["roofline"]))
    assert errors["seernet_multi"].isna().tolist() == [False] * 10 + [True] * 12
    assert "roofline" not in aligned.errors["train_util_pct"].columns


def test_the_order_of_a_predictors_rows_does_not_matter(experiment, aligned):
    runs = dict(experiment.runs)
    key = ("seernet", "architecture", 1)
    runs[key] = dataclasses.replace(runs[key], predictions=runs[key].predictions.iloc[::-1])
    shuffled = align(dataclasses.replace(experiment, runs=runs), "architecture")
    assert shuffled.errors[TIME]["seernet"].equals(aligned.errors[TIME]["seernet"])


def test_predictions_are_recovered_in_their_unit(experiment, aligned):
    run = experiment.runs["ensemble", "architecture", 0]
    expected = run.predictions.set_index("configuration")[f"predicted_{TIME}"]
    rows = aligned.rows["configuration"].iloc[:10]
    assert predicted(aligned, "ensemble", TIME)[:10] == pytest.approx(expected.loc[rows].to_numpy())
    assert measured(aligned, TIME)[:10] == pytest.approx(
        run.predictions.set_index("configuration").loc[rows, f"actual_{TIME}"].to_numpy()
    )


def test_a_pair_is_the_mirror_of_the_other_way_round(pairs):
    pair, other = pairs.get(TIME, "ensemble", "seernet"), pairs.get(TIME, "seernet", "ensemble")
    assert (pair.mean, pair.verdict) == (pytest.approx(-4.0), "better")
    assert (other.mean, other.low, other.high) == (-pair.mean, -pair.high, -pair.low)
    assert (other.verdict, other.p_holm, other.seeds.mean) == ("worse", pair.p_holm, -pair.seeds.mean)
    assert other.mirrored() == pair
    assert len(pairs.once(TIME)) == 10
    assert len(pairs.found) == 2 * len(pairs.once())


def test_pairs_use_the_rows_both_have(pairs):
    pair = pairs.get(TIME, "seernet_multi", "seernet")
    assert pair.rows == 10
    assert pair.mean == pytest.approx(2.0)
    assert pair.seeds.half_width is None
    assert not pair.over_seeds
    assert pairs.get("train_util_pct", "roofline", "seernet") is None


def test_holm_counts_the_pairs_of_a_label(pairs):
    found = pairs.once(TIME)
    smallest = min(pair.p_value for pair in found)
    # In a few of the 2,000 draws, no network drawn is tested in a seed drawn; they do not count.
    assert smallest == pytest.approx(2 / 2001, rel=0.005)
    assert min(pair.p_holm for pair in found) == pytest.approx(10 * smallest)


def test_places_count_those_shown_to_be_better(aligned, pairs):
    places = {rank.predictor: rank.place for rank in ranking(aligned, pairs, TIME)}
    assert places == {"ensemble": 1, "boosting": 2, "seernet": 3, "seernet_multi": 1, "roofline": 4}


def test_small_p_values_are_bounds():
    assert [p_text(value) for value in (0.0001, 0.0123, 1.0)] == ["< 0.001", "0.012", "1.0"]


def test_the_worst_group_needs_enough_rows(aligned):
    groups = group_all(aligned)
    sizes = groups[TIME, "batch size"].sizes
    assert sizes.sum() == 22
    worst = worst_group(aligned, groups, "boosting", TIME)
    least = aligned.experiment.report.judgement.group_rows
    assert groups[TIME, worst.grouping].sizes[worst.group] >= least
    assert worst.ratio == pytest.approx(worst.mape_pct / aligned.absolute[TIME]["boosting"].mean())


def test_bars_are_the_recorded_means(aligned):
    axes = mape_bars(aligned).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([25.1, 5.1, 8.1, 10.0, 4.1])
    assert texts(axes) == ["25", "5.1", "8.1", "10", "4.1"]
    assert texts(mape_bars(aligned).axes[2])[0] == "n/a"


def test_the_matrix_has_a_number_for_each_pair_both_ways(aligned, pairs):
    figure = pair_matrices(aligned, pairs)
    assert len(texts(figure.axes[0])) == 2 * 10
    assert len(texts(figure.axes[2])) == 2 * 6
    colours = figure.axes[0].images[0].get_array()
    # Best first: the first row wins against the fully trained three, the last loses against them.
    assert colours[0, 1:].tolist() == [-1, -1, 0, -1]
    assert colours[-1, :-1].tolist() == [1, 1, 1, 0]


def test_cells_of_the_map_are_the_groups_means(aligned):
    groups = group_all(aligned)
    axes = group_maps(aligned, groups).axes[1]
    table = groups[TIME, "batch size"].mape
    assert axes.images[0].get_array().data == pytest.approx(table.to_numpy().T)
    assert len(texts(axes)) == table.size


def test_costs_are_sorted_by_error(experiment):
    axes = cost_dots(experiment).axes
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == ["ensemble", "boosting", "seernet", "seernet_multi", "roofline"]
    assert texts(axes[1]) == ["12"] * 5
    assert texts(axes[3]) == ["1,234"] * 5


def test_figures_without_records_say_so(empty):
    nothing = compare_all(empty)
    assert nothing.once() == []
    assert set(texts(mape_bars(empty).axes[0])) == {"missing"}
    for figure in (pair_matrices(empty, nothing), group_maps(empty, {}), cost_dots(empty.experiment)):
        assert {text for axes in figure.axes for text in texts(axes)} == {"missing"}
