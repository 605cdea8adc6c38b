"""Inputs of the boosted trees, by hand."""

import numpy as np
import pytest

from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.predictors.parts.roofline import MemoryLine, Roofline, TimeRoofline
from perfseer.predictors.parts.tabular import OPERATOR_TYPES, tabular_features
from tests.helpers.synthetic_graphs import chain, dataset_of

ROOFLINE = Roofline(
    {"train": TimeRoofline(1e9, 1e9, 1e-6), "infer": TimeRoofline(2e9, 1e9, 0.0)},
    {"train": MemoryLine(0.0, 1.0), "infer": MemoryLine(0.0, 1.0)},
)


def table():
    first, second = chain([2e6, 1e6, 4e6], [1e6, 3e6, 1e6]), chain([5e6], [1e6])
    first.operators[:] = [OPERATOR_INDEX[name] for name in ("conv", "relu", "conv")]
    second.operators[:] = OPERATOR_INDEX["linear"]
    rows = tabular_features(dataset_of([first, second]), ROOFLINE)
    head, tail = rows[:, : len(GLOBAL_COLUMNS)], rows[:, len(GLOBAL_COLUMNS) :]
    return np.expm1(head), np.expm1(tail).reshape(2, 6, len(OPERATOR_TYPES))


def test_one_row_per_configuration():
    head, tail = table()
    assert head[:, GLOBAL_COLUMNS.index("n_nodes")].round(6).tolist() == [3, 1]
    assert tail.shape == (2, 6, len(OPERATOR_TYPES))


def test_sums_per_operator_type():
    _, tail = table()
    conv, relu, linear = (tail[:, :, OPERATOR_INDEX[name]] for name in ("conv", "relu", "linear"))
    # count, FLOPs, activation bytes, weight bytes, training µs, inference µs
    # train: conv 2000 + 4000 and 4000 + 8000 µs, two launches of 1 µs; infer: 1000 and 2000 µs.
    np.testing.assert_allclose(conv[0], [2, 6e6, 2e6, 0, 6000 + 12000 + 2, 3000], rtol=1e-9)
    np.testing.assert_allclose(relu[0], [1, 1e6, 3e6, 0, 3000 + 6000 + 1, 3000], rtol=1e-9)
    np.testing.assert_allclose(linear[1], [1, 5e6, 1e6, 0, 5000 + 10000 + 1, 2500], rtol=1e-9)


def test_operators_of_one_row_do_not_leak_into_another():
    _, tail = table()
    assert tail[1, :, OPERATOR_INDEX["conv"]].tolist() == [0.0] * 6
    assert tail[0, :, OPERATOR_INDEX["linear"]].tolist() == [0.0] * 6
    assert tail[:, 0].sum() == pytest.approx(4)


def test_convolutions_of_several_groups_are_types_of_their_own():
    one = chain([1e6] * 5, [1e6] * 5)
    one.operators[:] = [OPERATOR_INDEX[name] for name in ("conv", "conv", "conv", "conv", "relu")]
    one.hyperparameters[:, HYPERPARAMETERS.index("conv_groups")] = [1, 4, 32, 32, 32]
    one.output_shapes[:, 1] = [32, 32, 32, 64, 32]
    rows = np.expm1(tabular_features(dataset_of([one]), ROOFLINE))[0, len(GLOBAL_COLUMNS) :]
    counts = dict(zip(OPERATOR_TYPES, rows.reshape(6, -1)[0].round(6), strict=True))
    assert {name: count for name, count in counts.items() if count} == {
        "conv": 1,
        "conv_grouped": 2,
        "conv_depthwise": 1,
        "relu": 1,
    }
