import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfseer.data.settings import DatasetSettings, Fractions
from perfseer.data.splits import assign, assign_all, held_out_style, styles
from perfseer.errors import PerfseerError
from tests.helpers.synthetic import SETTINGS, make_table

FRACTIONS = Fractions(train=0.5, valid=0.25, test=0.25)


def rows_of(n_architectures, batch_sizes=(1, 2, 4), seed=0):
    table = make_table(n_architectures, batch_sizes, seed)
    return table.assign(configuration=[f"c{i}" for i in range(len(table))])


def sides_per_architecture(rows, folds):
    return folds.groupby(rows["architecture"]).agg(set).map(len).max()


def folds_of(rows, split, seed=0):
    return pd.Series(assign(rows, split, seed, FRACTIONS), index=rows.index)


def test_random_is_two_to_one_to_one_over_configurations():
    counts = folds_of(rows_of(100, (1, 2, 4, 8)), "random").value_counts()
    assert counts.to_dict() == {"train": 200, "valid": 100, "test": 100}


def test_architecture_is_two_to_one_to_one_over_architectures():
    rows = rows_of(100)
    sides = rows.groupby(folds_of(rows, "architecture"))["architecture"].nunique()
    assert sides.to_dict() == {"train": 50, "valid": 25, "test": 25}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 60),
    st.integers(0, 1000),
    st.lists(st.integers(1, 256), min_size=1, max_size=5, unique=True),
)
def test_no_architecture_crosses_the_architecture_split(n_architectures, seed, batch_sizes):
    rows = rows_of(n_architectures, batch_sizes, seed)
    folds = folds_of(rows, "architecture", seed)
    assert sides_per_architecture(rows, folds) == 1
    shares = folds.value_counts(normalize=True)
    for fold in ("train", "valid", "test"):
        assert abs(shares[fold] - getattr(FRACTIONS, fold)) <= 1.0 / n_architectures + 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 90), st.integers(0, 1000))
def test_family_holds_a_style_out_and_no_architecture_crosses(n_architectures, seed):
    rows = rows_of(n_architectures, (1, 2), seed)
    folds = folds_of(rows, "family", seed)
    style = held_out_style(rows["family"], seed)
    share = rows["family"].map(lambda family: family.split("+").count(style) / 4)
    assert sides_per_architecture(rows, folds) == 1
    assert set(share[folds == "test"]) <= {0.5, 0.75, 1.0}
    assert set(share[folds == "unused"]) <= {0.25}
    assert set(share[folds.isin(["train", "valid"])]) == {0.0}


def test_family_cycles_through_the_sorted_styles():
    families = pd.Series(["vgg+vgg", "resnet+vgg", "densenet+resnet"])
    assert styles(families) == ["densenet", "resnet", "vgg"]
    assert [held_out_style(families, seed) for seed in range(4)] == ["densenet", "resnet", "vgg", "densenet"]


@pytest.mark.parametrize("split", ["random", "architecture", "family"])
def test_the_draw_does_not_depend_on_the_order_of_rows(split):
    rows = rows_of(60)
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(folds_of(rows, split), folds_of(shuffled, split).sort_index())


@pytest.mark.parametrize("split", ["random", "architecture"])
def test_same_seed_same_draw_other_seed_other_draw(split):
    rows = rows_of(40)
    assert folds_of(rows, split, 1).equals(folds_of(rows, split, 1))
    assert not folds_of(rows, split, 1).equals(folds_of(rows, split, 2))


def test_the_draw_is_the_same_on_every_machine():
    # `printf architecture:0:00000000000N | sha256sum`, sorted, is N = 2 1 6 0 4 5 3 7: two valid, two test.
    expected = ["test", "valid", "valid", "train", "train", "train", "test", "train"]
    assert folds_of(rows_of(8, (1,)), "architecture").tolist() == expected


@pytest.mark.parametrize("split", ["architecture", "family"])
def test_one_architecture_cannot_be_split(split):
    with pytest.raises(PerfseerError, match=rf"'{split}' .*3 .*1 architectures"):
        assign(rows_of(1), split, 3, FRACTIONS)


def test_three_architectures_are_enough():
    assert sorted(folds_of(rows_of(3, (1,)), "architecture")) == ["test", "train", "valid"]


def test_a_family_split_without_test_rows_is_refused():
    rows = rows_of(12).assign(family=["resnet+resnet+resnet+vgg"] * 36)
    with pytest.raises(PerfseerError, match="'train': 0"):
        assign(rows, "family", 0, FRACTIONS)


def test_an_architecture_of_two_families_is_refused():
    rows = rows_of(12)
    rows.loc[0, "family"] = "alexnet"
    with pytest.raises(PerfseerError, match=r"several families.*000000000000"):
        assign(rows, "family", 0, FRACTIONS)


def test_all_splits_and_seeds_in_one_table():
    rows = rows_of(40)
    table = assign_all(rows, SETTINGS.splits, [0, 1])
    assert len(table) == len(rows) * 3 * 2
    assert not table.duplicated(["configuration", "split", "seed"]).any()
    one = table[(table["split"] == "family") & (table["seed"] == 1)]["fold"].to_numpy()
    np.testing.assert_array_equal(one, folds_of(rows, "family", 1).to_numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": {"train": 0.5, "valid": 0.5, "test": 0.25}}, r"splits.fractions.*is 1.25, expected 1"),
        ({"headline": "family", "names": ["random"]}, "headline 'family' is not among"),
        ({"names": ["random", "random", "architecture"]}, "lists a split twice"),
        ({"names": ["luck"]}, "splits.names.0"),
        ({"surprise": 1}, "splits.surprise"),
    ],
)
def test_faulty_settings_are_named(change, message):
    mapping = SETTINGS.model_dump(mode="json")
    mapping["splits"] |= change
    with pytest.raises(PerfseerError, match=message):
        DatasetSettings.from_mapping(mapping)


def test_seeds_that_repeat_or_are_negative_are_refused():
    for seeds in ([0, 0], [-1], []):
        with pytest.raises(PerfseerError, match="seeds"):
            DatasetSettings.from_mapping(SETTINGS.model_dump(mode="json") | {"seeds": seeds})
