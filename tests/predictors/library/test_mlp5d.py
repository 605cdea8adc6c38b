"""The five inputs by hand, and the size of the network."""

import numpy as np

from perfseer.predictors.library.mlp5d import Mlp5dPredictor, _inputs
from perfseer.predictors.settings import Mlp5dSettings
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser
from tests.predictors.parts.test_roofline import dataset, graph


def test_inputs_are_flops_bytes_parameters_batch_and_depth():
    rows = dataset([graph([2e6, 1e6, 4e6], [1e6, 3e6, 1e6], parameters=99), graph([5e6], [1e6])])
    expected = [[7e6, 5e6, 99, 1, 3], [5e6, 1e6, 0, 1, 1]]
    np.testing.assert_allclose(np.expm1(_inputs(rows)), expected, rtol=1e-12)


def test_one_network_of_3009_parameters_for_each_label():
    rows = make_dataset(20, seed=0)
    settings = Mlp5dSettings(
        hidden=(64, 32, 16), learning_rate=0.005, max_epochs=2, batch_size=256, patience=20
    )
    model = Mlp5dPredictor(settings, ("train_time_ms", "infer_util_pct"))
    model.fit(rows, rows, make_normaliser(rows), seed=0, log=lambda line: None)
    assert model.n_parameters_ == 2 * 3009
    assert [(row["target"], row["epoch"]) for row in model.history_] == [
        ("train_time_ms", 1),
        ("train_time_ms", 2),
        ("infer_util_pct", 1),
        ("infer_util_pct", 2),
    ]
