"""Connected cells as a dataset, and the published split."""

import numpy as np
import pytest

from perfseer.data.sources.nasbench201.cells import N_CONNECTED
from perfseer.data.sources.nasbench201.dataset import dataset, fold
from perfseer.errors import PerfseerError
from tests.helpers.nasbench201_cells import GPU, PHONE
from tests.helpers.synthetic import SETTINGS


def test_rows_are_the_connected_cells_with_one_label(measured):
    data = dataset(GPU, "pruned", "cell")
    assert len(data) == N_CONNECTED
    assert data.targets == ("infer_time_ms",)
    index = data.rows["configuration"].str[-5:].astype(int).to_numpy()
    assert measured.connected[index].all()
    assert np.array_equal(data.rows["infer_time_ms"], 1.0 + index)
    assert np.isfinite(data.features.globals_).all()


def test_the_split_is_the_published_one_and_depends_on_the_seed_alone(measured):
    data = dataset(GPU, "pruned", "cell")
    first, again, other = (fold(data, seed, 900, 100, SETTINGS.labels) for seed in (0, 0, 1))
    assert [len(part) for part in (first.train, first.valid, first.test)] == [900, 100, 14_284]
    parts = [set(part.rows["configuration"]) for part in (first.train, first.valid, first.test)]
    assert len(set.union(*parts)) == N_CONNECTED
    assert first.train.rows.equals(again.train.rows)
    assert not first.train.rows.equals(other.train.rows)
    elsewhere = fold(dataset(PHONE, "executed", "network"), 0, 900, 100, SETTINGS.labels)
    assert list(elsewhere.test.rows["configuration"]) == list(first.test.rows["configuration"])


def test_a_split_without_test_cells_is_refused(measured):
    with pytest.raises(PerfseerError, match=r"15000 .* 284 .* 15284 "):
        fold(dataset(GPU, "pruned", "cell"), 0, 15_000, 284, SETTINGS.labels)
