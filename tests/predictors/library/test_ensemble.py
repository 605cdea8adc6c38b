"""The ensemble's choices by hand, with members that predict what they are told to."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from perfseer.errors import PerfseerError
from perfseer.predictors.base import FitInputs
from perfseer.predictors.library.ensemble import EnsemblePredictor
from perfseer.predictors.library.roofline import RooflinePredictor
from perfseer.predictors.registry import load
from perfseer.predictors.settings import EnsembleSettings, RooflineSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

SETTINGS = EnsembleSettings(base="boosting", candidates=("additive", "seernet"))
ROWS = make_dataset(24, seed=0)
NORMALISER = make_normaliser(ROWS)
TIME = "infer_time_ms"


class Told:
    """A member that multiplies the labels by given factors, one for each label it has."""

    def __init__(self, n_parameters=0, **factors):
        self.factors, self.n_parameters_ = factors, n_parameters
        self.targets, self.normaliser_ = tuple(factors), NORMALISER

    def predict(self, dataset):
        columns = {name: dataset.labels[:, TARGET_NAMES.index(name)] for name in self.targets}
        return pd.DataFrame({name: self.factors[name] * values for name, values in columns.items()})


def fit(members, targets=TARGET_NAMES, normaliser=NORMALISER, rows=ROWS):
    model = EnsemblePredictor(SETTINGS, targets)
    inputs = FitInputs(members=members)
    return model.fit(rows, rows, normaliser, seed=0, log=lambda line: None, inputs=inputs)


def told(base, additive, seernet):
    return {"boosting": Told(7, **base), "additive": Told(20, **additive), "seernet": Told(300, **seernet)}


def test_best_candidate_is_weighted_against_the_base():
    # ln 1.2 against ln 0.9: the mean is right at w = 0.182 / (0.182 + 0.105) = 0.634, and 0.65 is closest.
    model = fit(told({TIME: 1.2}, {TIME: 0.5}, {TIME: 0.9}), (TIME,))
    assert dict(model.choices_[TIME].shares) == pytest.approx({"boosting": 0.35, "seernet": 0.65})
    expected = 1.2**0.35 * 0.9**0.65
    assert model.choices_[TIME].valid_mape_pct == pytest.approx(100 * abs(expected - 1))
    column = ROWS.labels[:, TARGET_NAMES.index(TIME)]
    np.testing.assert_allclose(model.predict(ROWS)[TIME], expected * column)


def test_only_members_with_a_share_are_kept_and_counted():
    # Both too slow: the better one alone.
    model = fit(told({TIME: 1.1}, {TIME: 1.2}, {TIME: 1.3}), (TIME,))
    assert dict(model.choices_[TIME].shares) == {"boosting": 1.0}
    assert (list(model.members_), model.n_parameters_) == (["boosting"], 7)
    model = fit(told({TIME: 1.3}, {TIME: 1.2}, {TIME: 1.1}), (TIME,))
    assert (list(model.members_), model.n_parameters_) == (["seernet"], 300)
    model = fit(told({TIME: 1.2}, {TIME: 1.3}, {TIME: 0.9}), (TIME,))
    assert model.n_parameters_ == 307


def test_labels_some_members_lack():
    mem, util = "infer_mem_mib", "infer_util_pct"
    model = fit(told({TIME: 1.1, mem: 1.1}, {TIME: 1.2}, {util: 0.9}))
    assert model.targets == (TIME, mem, util)
    shares = {target: dict(choice.shares) for target, choice in model.choices_.items()}
    assert shares == {TIME: {"boosting": 1.0}, mem: {"boosting": 1.0}, util: {"seernet": 1.0}}
    assert list(model.predict(ROWS).columns) == [TIME, mem, util]


def test_means_of_utilisation_stay_below_100():
    util = "infer_util_pct"
    model = fit(told({util: 0.8}, {util: 1.005}, {util: 0.5}), (util,))
    assert (model.predict(ROWS)[util] <= 100).all()
    assert "additive" in model.choices_[util].shares


def test_members_of_other_training_rows_are_refused():
    other = make_normaliser(make_dataset(24, seed=1))
    with pytest.raises(PerfseerError, match="boosting"):
        fit(told({TIME: 1.0}, {TIME: 1.0}, {TIME: 1.0}), (TIME,), normaliser=other)


def test_missing_members_are_named():
    with pytest.raises(PerfseerError, match="additive, seernet"):
        fit({"boosting": Told(**{TIME: 1.0})})
    with pytest.raises(PerfseerError, match="members"):
        fit({})


def test_no_validation_rows_is_an_error():
    model = EnsemblePredictor(SETTINGS)
    inputs = FitInputs(members=told({TIME: 1.0}, {TIME: 1.0}, {TIME: 1.0}))
    with pytest.raises(PerfseerError, match="validation"):
        model.fit(ROWS, ROWS.subset([]), NORMALISER, seed=0, log=print, inputs=inputs)


def test_members_may_not_repeat():
    with pytest.raises(ValidationError, match="repeat"):
        EnsembleSettings(base="boosting", candidates=("additive", "boosting"))


def test_saved_ensembles_hold_their_members(tmp_path):
    def roofline():
        model = RooflinePredictor(RooflineSettings())
        return model.fit(ROWS, ROWS, NORMALISER, seed=0, log=lambda line: None)

    members = {name: roofline() for name in SETTINGS.members}
    model = fit(members)
    model.save(tmp_path)
    assert sorted(path.name for path in (tmp_path / "members").iterdir()) == ["boosting"]
    pd.testing.assert_frame_equal(load(tmp_path).predict(ROWS), model.predict(ROWS), check_exact=True)
