"""Learners as arrays, one for each platform and phase: boosted trees and Gaussian processes."""

import lightgbm
import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.predictors.parts.learners.boosted_trees import BoostedTrees, TreeSettings
from perfseer.predictors.parts.platforms.learners import Group, PlatformLearners

SETTINGS = TreeSettings(trees=60, leaves=8, learning_rate=0.2, least_rows=3, robust=0.1)


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4)).astype(np.float32).astype(np.float64)
    return inputs, np.sin(2 * inputs[:, 0]) + 0.3 * inputs[:, 1]


def test_the_arrays_say_what_lightgbm_says(monkeypatch):
    inputs, outputs = rows(300)
    boosters, train = [], lightgbm.train
    monkeypatch.setattr(lightgbm, "train", lambda *a, **k: boosters.append(train(*a, **k)) or boosters[-1])
    settings = TreeSettings(trees=400, leaves=8, learning_rate=0.3, least_rows=3, robust=10.0)
    trees = BoostedTrees.fit(inputs, outputs, settings, seed=1)
    np.testing.assert_allclose(trees.predict(inputs), boosters[0].predict(inputs), atol=1e-5)
    assert np.abs(trees.predict(inputs) - outputs).mean() < 0.15


def test_saved_trees_are_equal_bit_for_bit_and_small():
    inputs, outputs = rows(200)
    trees = BoostedTrees.fit(inputs, outputs, SETTINGS, seed=1)
    again = BoostedTrees.of_arrays(trees.arrays())
    assert (again.predict(inputs) == trees.predict(inputs)).all()
    n_nodes = len(trees.forest.feature)
    assert sum(values.nbytes for values in trees.arrays().values()) == 7 * n_nodes + 4 * SETTINGS.trees
    assert again.n_parameters == trees.n_parameters


def test_damaged_trees_are_refused():
    arrays = BoostedTrees.fit(*rows(100), SETTINGS, seed=1).arrays()
    with pytest.raises(PerfseerError, match=r"\['ahead'\]"):
        BoostedTrees.of_arrays({name: arrays[name] for name in ("roots", "feature", "number")})
    with pytest.raises(PerfseerError, match="fit together"):
        BoostedTrees.of_arrays({**arrays, "ahead": arrays["ahead"][:-1]})


def fit_trees(inputs, outputs):
    return BoostedTrees.fit(inputs, outputs, SETTINGS, seed=0)


def test_each_group_learns_its_own_law_and_kin_answer_for_strangers(tmp_path):
    inputs, _ = rows(240)
    one, two = Group("gpu-a", ("gpu", "any")), Group("gpu-b", ("gpu", "any"))
    groups = [one] * 120 + [two] * 120
    outputs = np.repeat([1.0, 3.0], 120)
    trees = PlatformLearners.fit(inputs, outputs, groups, fit_trees)
    np.testing.assert_allclose(trees.predict(inputs, groups), outputs, atol=1e-6)
    stranger = Group("gpu-c", ("gpu", "any"))
    np.testing.assert_allclose(trees.predict(inputs[:5], [stranger] * 5), 2.0, atol=1e-6)
    nobody = Group("tpu", ("tpu", "other"))
    np.testing.assert_allclose(trees.predict(inputs[:2], [nobody] * 2), 2.0, atol=1e-6)
    kin = trees.save(tmp_path / "trees.safetensors")
    again = PlatformLearners.load(tmp_path / "trees.safetensors", kin, BoostedTrees.of_arrays)
    assert (again.predict(inputs, groups) == trees.predict(inputs, groups)).all()


def test_too_few_rows_are_refused():
    inputs, outputs = rows(10)
    with pytest.raises(PerfseerError, match="30 training rows"):
        PlatformLearners.fit(inputs, outputs, [Group("gpu", ())] * 10, fit_trees)
