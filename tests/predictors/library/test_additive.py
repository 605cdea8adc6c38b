"""Distinct nodes and the additive network, by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from perfseer.nn.additive import AdditiveNetwork, CountedGraphs, NodeKinds
from perfseer.predictors.library.additive import AdditivePredictor
from perfseer.predictors.parts.distinct import DistinctNodes
from perfseer.predictors.parts.roofline import row_features
from perfseer.predictors.settings import AdditiveSettings
from perfseer.training.settings import TrainingSettings
from tests.helpers.fitting import TRAINING
from tests.helpers.synthetic_graphs import chain, dataset_of, make_dataset, make_normaliser

SETTINGS = AdditiveSettings(hidden=8, embedding=2, delta=0.1, recipe={"max_epochs": 1, "learning_rate": 1e-6})


def test_distinct_nodes_by_hand():
    # Kinds: (1, 1), (2, 1), (1, 3) of FLOPs and bytes; the third graph has nothing new.
    rows = dataset_of([chain([1, 2, 1, 1], [1, 1, 1, 3]), chain([1], [3]), chain([1, 1], [1, 1])])
    found = DistinctNodes.of(row_features(rows))
    assert len(found.first) == 3
    assert found.ptr.tolist() == [0, 3, 4, 5]
    nodes = row_features(rows).nodes[found.first]
    pairs = [
        {(nodes[kind, 13], nodes[kind, 14]): count for kind, count in zip(kinds, counts, strict=True)}
        for kinds, counts in zip(
            np.split(found.kinds, found.ptr[1:-1]), np.split(found.counts, found.ptr[1:-1]), strict=True
        )
    ]
    assert pairs == [{(1, 1): 2, (2, 1): 1, (1, 3): 1}, {(1, 3): 1}, {(1, 1): 2}]


def test_operators_and_shapes_tell_nodes_apart_but_shares_do_not():
    one, other, wide = (chain([5], [7]) for _ in range(3))
    other.operators[:] = 1
    wide.output_shapes[:] = 2
    in_company = chain([5, 9], [7, 9])
    found = DistinctNodes.of(row_features(dataset_of([one, other, wide, in_company])))
    assert len(found.first) == 4
    assert found.kinds[0] in found.kinds[found.ptr[3] :]


def counted(extra):
    kinds = NodeKinds(torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([[1.0, 10.0], [2.0, 20.0]]))
    return CountedGraphs(
        kinds,
        kind=torch.tensor([0, 1, 1]),
        graph=torch.tensor([0, 0, 1]),
        counts=torch.tensor([[3.0], [1.0], [4.0]]),
        extra_ms=torch.tensor(extra),
    )


def test_new_weights_give_the_roofline():
    network = AdditiveNetwork(3, 2, embedding=2, hidden=4, launch_ms=torch.tensor([0.5, 0.25]))
    times = network(counted([[0.0, 0.0], [1.0, 2.0]])).exp().detach()
    # 3 x (1 + 0.5) + (2 + 0.5), 3 x (10 + 0.25) + (20 + 0.25); 4 x (2 + 0.5) + 1, 4 x (20 + 0.25) + 2
    expected = torch.tensor([[7.0, 51.0], [11.0, 83.0]])
    torch.testing.assert_close(times, expected)


def test_factors_scale_the_roofline_and_are_bounded():
    network = AdditiveNetwork(3, 2, embedding=2, hidden=4, launch_ms=torch.tensor([0.5, 0.25]))
    with torch.no_grad():
        network.factor[-1].bias.copy_(torch.tensor([np.log(2.0), 1e9]))
        network.log_extra.copy_(torch.tensor([np.log(3.0), 0.0]))
        network.log_launch[1] = np.log(0.1)
    times = network(counted([[0.0, 0.0], [1.0, 2.0]])).exp().detach()
    assert times[0, 0] == pytest.approx(3 * (2 * 1 + 0.5) + (2 * 2 + 0.1), rel=1e-5)
    assert times[1, 0] == pytest.approx(4 * (2 * 2 + 0.1) + 3, rel=1e-5)
    assert times[1, 1] == pytest.approx(4 * (np.exp(6) * 20 + 0.1) + 2, rel=1e-5)


def fit(rows, targets=("train_time_ms", "infer_time_ms")):
    training = TrainingSettings.model_validate(TRAINING)
    model = AdditivePredictor(SETTINGS, targets, training)
    return model.fit(rows, rows, make_normaliser(rows), seed=0, log=lambda line: None)


def test_training_starts_from_the_fitted_roofline():
    rows = make_dataset(20, seed=0)
    model = fit(rows)
    predicted = model.predict(rows)
    features = row_features(rows)
    for name in predicted.columns:
        baseline = model.roofline_.predict(features, name)
        # Within the least launch cost of 24 nodes at most.
        np.testing.assert_allclose(predicted[name], baseline, rtol=1e-4, atol=24 * 1e-4)


def test_one_time_alone_gives_a_smaller_network():
    rows = make_dataset(20, seed=0)
    both, one = fit(rows), fit(rows, ("infer_time_ms",))
    assert list(one.predict(rows).columns) == ["infer_time_ms"]
    # One output less: 8 weights and a bias, a launch cost per operator, one factor of the rest.
    n_operators = both.networks_["network"].codes.num_embeddings
    assert both.n_parameters_ - one.n_parameters_ == 8 + 1 + n_operators + 1


def test_repeating_a_graphs_nodes_repeats_their_time():
    rows = make_dataset(20, seed=0)
    model = fit(rows)
    once = rows.graph(0)
    per_node = [
        name
        for name in vars(once)
        if isinstance(getattr(once, name), np.ndarray) and not name.startswith("edge")
    ]
    twice = dataclasses.replace(
        once, **{name: np.concatenate([getattr(once, name)] * 2) for name in per_node}
    )
    graphs = model._source(dataset_of([once, twice])).batch(torch.arange(2))
    nodes = model.networks_["network"](dataclasses.replace(graphs, extra_ms=torch.zeros(2, 2))).exp()
    torch.testing.assert_close(nodes[1], 2 * nodes[0])


def test_recipes_with_unknown_fields_are_refused():
    with pytest.raises(ValidationError, match="speed"):
        AdditiveSettings(hidden=8, embedding=2, delta=0.1, recipe={"speed": 1})
