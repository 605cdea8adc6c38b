"""Made-up latencies for all cells."""

import numpy as np
import pytest

from perfseer.data.sources.nasbench201 import dataset
from perfseer.data.sources.nasbench201.cells import N_CELLS
from tests.helpers.nasbench201_cells import every_cell


@pytest.fixture
def measured(monkeypatch):
    """All cells, in an order of their own, with made-up latencies."""
    every = every_cell()
    monkeypatch.setattr(dataset, "cells", lambda: every)
    monkeypatch.setattr(dataset, "latencies_ms", lambda device: 1.0 + np.arange(N_CELLS))
    return every
