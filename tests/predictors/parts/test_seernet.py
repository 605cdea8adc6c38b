"""What the switches of SeerNet's settings leave out, and what the roofline adds."""

import dataclasses

import numpy as np
import pytest
import yaml

from perfseer.predictors.registry import create
from perfseer.predictors.settings import SETTINGS
from perfseer.training.settings import TrainingSettings
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

TARGETS = ("train_time_ms", "infer_mem_mib")
PAPER = {"hidden": 16, "roofline_input": False, "roofline_residual": False}


@pytest.fixture(scope="module")
def parameters(repository):
    return yaml.safe_load((repository / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows():
    data = make_dataset(40, seed=3)
    train = data.subset(np.arange(30))
    return train, data.subset(np.arange(30, 40)), make_normaliser(train)


def fitted(parameters, rows, name="seernet", max_epochs=2, targets=TARGETS, **changes):
    settings = SETTINGS[name].model_validate(parameters["predictors"][name] | PAPER | changes)
    training = TrainingSettings.model_validate(parameters["training"] | {"max_epochs": max_epochs})
    train, valid, normaliser = rows
    return create(name, settings, training, targets).fit(
        train, valid, normaliser, seed=0, log=lambda line: None
    )


def disturbed(data, block):
    """The same rows with every feature of one block replaced."""
    features = data.features
    other = dataclasses.replace(features, **{block: getattr(features, block) * 3.0 + 1.0})
    return dataclasses.replace(data, _shared={"features": other})


BLOCKS = {"nodes": "node_features", "edges": "edge_features", "globals_": "global_features"}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("name", ["seernet", "seernet_multi"])
def test_features_left_out_have_no_influence_and_the_others_do(parameters, rows, name, block):
    model = fitted(parameters, rows, name, **{BLOCKS[block]: False})
    test = rows[1]
    for other in BLOCKS:
        same = np.array_equal(model.predict(disturbed(test, other)), model.predict(test))
        assert same == (other == block), other


def test_leaving_features_out_changes_no_parameter_count(parameters, rows):
    counts = {
        fitted(parameters, rows, max_epochs=1, **{switch: False}).n_parameters_ for switch in BLOCKS.values()
    }
    assert counts == {fitted(parameters, rows, max_epochs=1).n_parameters_}


@pytest.mark.parametrize("inputs", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_roofline_input_and_residual_are_separate(parameters, rows, tmp_path, inputs, residual):
    model = fitted(parameters, rows, max_epochs=1, roofline_input=inputs, roofline_residual=residual)
    plain = fitted(parameters, rows, max_epochs=1)
    # Two labels have a roofline: two more graph features of each of two networks' encoders.
    assert model.n_parameters_ - plain.n_parameters_ == (2 * 2 * 16 if inputs else 0)
    assert (model.residual_.roofline is not None) == residual
    assert (model.residual_.spread != 1).any() == residual
    model.save(tmp_path)
    assert np.array_equal(type(model).load(tmp_path).predict(rows[1]), model.predict(rows[1]))


@pytest.mark.parametrize("gradients", ["pcgrad", "sum", "uncertainty"])
def test_every_rule_of_gradients_learns(parameters, rows, gradients):
    model = fitted(parameters, rows, "seernet_multi", max_epochs=15, gradients=gradients)
    losses = [row["valid_loss"] for row in model.history_]
    assert min(losses) < 0.9 * losses[0]


def test_rules_of_gradients_differ(parameters, rows):
    models = [
        fitted(parameters, rows, "seernet_multi", max_epochs=5, gradients=rule)
        for rule in ("pcgrad", "sum", "uncertainty")
    ]
    predictions = [model.predict(rows[1]).to_numpy() for model in models]
    for one in range(3):
        for two in range(one):
            assert not np.array_equal(predictions[one], predictions[two])
