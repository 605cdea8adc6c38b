"""Fixtures of the contract tests."""

import numpy as np
import pytest

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import Normaliser
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser


@pytest.fixture(scope="session")
def fold() -> tuple[Dataset, Dataset, Dataset, Normaliser]:
    """Rows to train (64), validate (24) and test (24) on, and the normaliser of the training rows."""
    data = make_dataset(112, seed=7)
    train, valid, test = (data.subset(np.arange(*span)) for span in ((0, 64), (64, 88), (88, 112)))
    return train, valid, test, make_normaliser(train)
