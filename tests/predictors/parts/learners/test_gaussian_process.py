"""The Gaussian process against scikit-learn's, and what its own additions do."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from perfseer.errors import PerfseerError
from perfseer.predictors.parts.learners import gaussian_process
from perfseer.predictors.parts.learners.gaussian_process import GaussianProcess, ProcessSettings
from tests.helpers.fitting import one_thread

SETTINGS = ProcessSettings(rows=300, steps=60, axes=8)
BLOCKS = np.array([0, 0, 1, 1])


@pytest.fixture(autouse=True)
def single():
    with one_thread():
        yield


def table(n, seed=0, noise=0.0):
    """Rows of four columns, of which the last two do not matter, and a smooth law."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4))
    outputs = 2 + np.sin(inputs[:, 0]) + 0.5 * inputs[:, 0] * inputs[:, 1]
    return inputs, outputs + noise * rng.standard_normal(n)


def test_conditioning_is_the_textbooks():
    """Fixed length scales, amplitude and noise; no label is far off, so none is doubted."""
    inputs, outputs = table(40)
    scaled = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    offset, unit = np.median(outputs), outputs.std()
    kernel = ConstantKernel(1.5**2) * Matern(length_scale=2.0, nu=1.5) + WhiteKernel(0.3**2)
    peer = GaussianProcessRegressor(kernel, optimizer=None).fit(scaled, (outputs - offset) / unit)

    def fixed(scaled, labels, blocks, settings):
        lengths = torch.full((scaled.shape[1],), 2.0, dtype=torch.float64)
        return gaussian_process._Found(lengths, torch.tensor(1.5), torch.tensor(0.3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian_process, "_find", fixed)
        patch.setattr(gaussian_process, "_FAR", 1e9)
        process = GaussianProcess.fit(inputs, outputs, BLOCKS, SETTINGS, seed=0)
    asked, _ = table(25, seed=1)
    expected = offset + unit * peer.predict((asked - inputs.mean(axis=0)) / inputs.std(axis=0))
    # Coordinates are kept in half precision.
    np.testing.assert_allclose(process.predict(asked), expected, atol=5e-3)


def test_it_learns_a_smooth_law_and_which_columns_matter():
    process = GaussianProcess.fit(*table(300, noise=0.02), BLOCKS, SETTINGS, seed=0)
    asked, truth = table(200, seed=1)
    assert np.abs(process.predict(asked) - truth).mean() < 0.05
    moved = asked.copy()
    moved[:, 3] += 1.0
    assert np.abs(process.predict(moved) - process.predict(asked)).mean() < 0.1


def test_far_away_it_stays_near_what_it_knows():
    inputs, outputs = table(200)
    process = GaussianProcess.fit(inputs, outputs, BLOCKS, SETTINGS, seed=0)
    far = process.predict(np.full((1, 4), 1e6))
    assert outputs.min() - 2 * outputs.std() < far[0] < outputs.max() + 2 * outputs.std()


def test_one_wrong_label_does_not_bend_its_neighbours():
    inputs, outputs = table(200, noise=0.01)
    spoiled = outputs.copy()
    spoiled[7] += 3.0  # four standard deviations of the labels
    clean, robust = (
        GaussianProcess.fit(inputs, labels, BLOCKS, SETTINGS, seed=0) for labels in (outputs, spoiled)
    )
    asked, truth = table(200, seed=1)
    errors = [np.abs(process.predict(asked) - truth).mean() for process in (clean, robust)]
    assert errors[1] < 2 * errors[0] + 0.02
    assert abs(robust.predict(inputs[7:8])[0] - outputs[7]) < 0.05


def test_constant_columns_are_left_out():
    inputs, outputs = table(100)
    wide = np.column_stack([inputs[:, :2], np.full(100, 3.0), inputs[:, 2:]])
    process = GaussianProcess.fit(wide, outputs, np.zeros(5, dtype=np.int64), SETTINGS, seed=0)
    assert process.columns.tolist() == [0, 1, 3, 4]
    changed = wide.copy()
    changed[:, 2] = 1e9
    assert (process.predict(changed) == process.predict(wide)).all()


def test_saved_ones_are_equal_bit_for_bit_and_the_same_seed_gives_the_same():
    inputs, outputs = table(120)
    process = GaussianProcess.fit(inputs, outputs, BLOCKS, SETTINGS, seed=3)
    arrays = process.arrays()
    assert (GaussianProcess.of_arrays(arrays).predict(inputs) == process.predict(inputs)).all()
    again = GaussianProcess.fit(inputs, outputs, BLOCKS, SETTINGS, seed=3)
    assert all((again.arrays()[name] == values).all() for name, values in arrays.items())
    assert process.n_parameters == 120 + 4 + 3


def test_damaged_ones_are_refused():
    arrays = GaussianProcess.fit(*table(50), BLOCKS, SETTINGS, seed=0).arrays()
    with pytest.raises(PerfseerError, match=r"\['rows'\]"):
        GaussianProcess.of_arrays({**arrays, "weights": arrays["weights"][:-1]})
    with pytest.raises(PerfseerError, match="other arrays"):
        GaussianProcess.of_arrays({name: arrays[name] for name in ("rows", "axes")})
