"""Folds of the study on published results: whole groups, balanced, the same in every file."""

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.group_folds import draw

FOLDS, SHARE = 5, 0.125


@pytest.fixture(scope="module")
def rows():
    """600 rows in two files; architectures of 1 to 9 rows, families of 1 to 12 architectures."""
    generator = np.random.default_rng(0)
    names = [f"net{i}" for i in range(150)]
    family = {name: f"family{int(generator.integers(0, 25))}" for name in names}
    chosen = generator.choice(names, 600)
    return pd.DataFrame(
        {
            "architecture": chosen,
            "family": [family[name] for name in chosen],
            "source": generator.choice(["gpu", "cpu"], 600),
        }
    )


@pytest.mark.parametrize("grouping", ["architecture", "family"])
def test_every_row_is_tested_once_and_no_group_is_on_two_sides(rows, grouping):
    drawn = draw(rows, grouping, 0, FOLDS, SHARE)
    tested = np.zeros(len(rows), dtype=int)
    for fold in range(FOLDS):
        train, valid, test = drawn.parts(rows, fold)
        assert sorted(np.concatenate([train, valid, test])) == list(range(len(rows)))
        groups = [set(rows[grouping].iloc[part]) for part in (train, valid, test)]
        assert not groups[0] & groups[1]
        assert not groups[2] & (groups[0] | groups[1])
        tested[test] += 1
    assert (tested == 1).all()


def test_a_group_is_in_the_same_fold_in_every_file(rows):
    drawn = draw(rows, "architecture", 1, FOLDS, SHARE)
    for fold in range(FOLDS):
        whole = set(rows["architecture"].iloc[drawn.parts(rows, fold)[2]])
        for _, part in rows.groupby("source"):
            alone = set(part["architecture"].iloc[drawn.parts(part, fold)[2]])
            assert alone == whole & set(part["architecture"])


@pytest.mark.parametrize("grouping", ["architecture", "family"])
def test_folds_differ_by_at_most_the_largest_group(rows, grouping):
    drawn = draw(rows, grouping, 2, FOLDS, SHARE)
    sizes = [len(drawn.parts(rows, fold)[2]) for fold in range(FOLDS)]
    assert max(sizes) - min(sizes) <= rows[grouping].value_counts().max()


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows(rows):
    first = draw(rows, "family", 0, FOLDS, SHARE).fold_of
    assert draw(rows.iloc[::-1], "family", 0, FOLDS, SHARE).fold_of == first
    assert draw(rows, "family", 1, FOLDS, SHARE).fold_of != first


def test_about_an_eighth_of_the_training_groups_is_kept_to_choose_on(rows):
    drawn = draw(rows, "architecture", 0, FOLDS, SHARE)
    train, valid, _ = drawn.parts(rows, 0)
    n_train, n_valid = (rows["architecture"].iloc[part].nunique() for part in (train, valid))
    assert n_valid == round(SHARE * (n_train + n_valid))
    other = drawn.parts(rows, 1)[1]
    assert set(rows["architecture"].iloc[valid]) != set(rows["architecture"].iloc[other])


def test_too_few_groups_are_refused(rows):
    with pytest.raises(PerfseerError, match="5 groups by architecture cannot be dealt to 5 folds"):
        draw(rows[rows["architecture"].isin([f"net{i}" for i in range(5)])], "architecture", 0, FOLDS, SHARE)


def test_rows_of_groups_that_were_not_dealt_are_refused(rows):
    drawn = draw(rows, "architecture", 0, FOLDS, SHARE)
    stranger = rows.assign(architecture="stranger")
    with pytest.raises(PerfseerError, match=r"not dealt to folds: \['stranger'\]"):
        drawn.parts(stranger, 0)


def test_a_file_of_one_group_has_nothing_to_train_on(rows):
    drawn = draw(rows, "architecture", 0, FOLDS, SHARE)
    alone = rows[rows["architecture"] == "net0"]
    with pytest.raises(PerfseerError, match="has no training rows"):
        drawn.parts(alone, drawn.fold_of["net0"])
