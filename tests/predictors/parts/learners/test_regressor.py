"""The perceptron on plain arrays: size, accuracy on a smooth function, repeatability, faults."""

import numpy as np
import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.predictors.parts.learners.regressor import ArrayRegressor
from perfseer.predictors.settings import Mlp5dSettings

SETTINGS = Mlp5dSettings(
    hidden=(64, 32, 16), learning_rate=0.005, max_epochs=100, batch_size=256, patience=20
)


def smooth(n, seed):
    """A smooth function on [-2, 2]^5 with a spread of about 2.9, and noise of 0.05."""
    random = np.random.default_rng(seed)
    x = random.uniform(-2, 2, (n, 5))
    a, b, c, d, e = x.T
    clean = 2 * np.sin(a) + 2 * np.cos(b) + 0.5 * c**2 + 0.4 * d * e + a
    return x, clean + 0.05 * random.standard_normal(n)


def r2(y, predicted):
    return 1 - np.square(y - predicted).sum() / np.square(y - y.mean()).sum()


def fitted(n, seed=0, **changes):
    x, y = smooth(n, seed=0)
    valid = smooth(n // 10, seed=1)
    model = ArrayRegressor(5, SETTINGS.model_copy(update=changes))
    return model, model.fit(x, y, valid, seed=seed)


def test_the_published_layers_have_3009_parameters():
    # 5·64 + 64, 64·32 + 32, 32·16 + 16, 16 + 1
    assert ArrayRegressor(5, SETTINGS).n_parameters == 384 + 2080 + 528 + 17 == 3009


def test_reaches_the_published_r2_on_ten_thousand_samples():
    model, _ = fitted(8000)
    x, y = smooth(2000, seed=2)
    assert r2(y, model.predict(x)) >= 0.9988


def test_a_linear_function_is_learned_in_its_own_unit():
    x = np.random.default_rng(0).normal(3.0, 10.0, (400, 2))
    y = 1e6 + 5e3 * x[:, 0]
    model = ArrayRegressor(2, SETTINGS.model_copy(update={"max_epochs": 300, "patience": 300}))
    model.fit(x, y, (x, y), seed=0)
    assert np.abs(model.predict(x) - y).max() < 0.1 * y.std()


def test_same_seed_same_bits_another_seed_another_network():
    probe, _ = smooth(50, seed=3)
    first, again, other = (fitted(300, seed, max_epochs=3)[0].predict(probe) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_fitting_twice_starts_anew_and_leaves_the_callers_randomness_alone():
    x, y = smooth(300, seed=0)
    model = ArrayRegressor(5, SETTINGS.model_copy(update={"max_epochs": 3}))
    before = torch.random.get_rng_state()
    model.fit(x, y, (x, y), seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    first = model.predict(x)
    model.fit(x, y, (x, y), seed=0)
    assert (model.predict(x) == first).all()


def test_weights_of_the_best_validation_epoch_are_kept():
    x, y = smooth(400, seed=0)
    valid = smooth(100, seed=1)
    model = ArrayRegressor(5, SETTINGS.model_copy(update={"max_epochs": 30, "learning_rate": 0.05}))
    history = model.fit(x, y, valid, seed=0)
    losses = [row["valid_loss"] for row in history]
    found = np.square((model.predict(valid[0]) - valid[1]) / y.std()).mean()
    assert found == pytest.approx(min(losses), rel=1e-4)
    assert min(losses) < losses[-1]


def test_patience_stops_training():
    x, y = smooth(50, seed=0)
    noise = np.random.default_rng(0).normal(size=50)
    model = ArrayRegressor(5, SETTINGS.model_copy(update={"patience": 2}))
    history = model.fit(x, y, (x, noise), seed=0)
    best = min(range(len(history)), key=lambda i: history[i]["valid_loss"])
    assert len(history) == best + 3 < 100


def test_constant_columns_and_labels_do_no_harm():
    x, y = smooth(50, seed=0)
    x[:, 1] = 7.0
    model = ArrayRegressor(5, SETTINGS.model_copy(update={"max_epochs": 2}))
    model.fit(x, y, (x, y), seed=0)
    moved = x.copy()
    moved[:, 1] = -1e9
    assert (model.predict(moved) == model.predict(x)).all()
    model.fit(x, np.full(50, 3.0), (x, np.full(50, 3.0)), seed=0)
    assert np.abs(model.predict(x) - 3.0).max() < 1


def test_state_restores_the_network():
    model, _ = fitted(300, max_epochs=2)
    probe, _ = smooth(50, seed=3)
    other = ArrayRegressor(5, SETTINGS)
    other.load_state_dict(model.state_dict())
    assert (other.predict(probe) == model.predict(probe)).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 5)), np.zeros(0), "at least one row"),
        (np.zeros((3, 4)), np.zeros(3), r"shape \(3, 4\), expected \(3, 5\)"),
        (np.full((3, 5), np.nan), np.zeros(3), "NaN or infinite"),
        (np.zeros((3, 5)), np.array([1.0, np.inf, 2.0]), "NaN or infinite"),
    ],
)
def test_faulty_rows_are_refused(x, y, message):
    good = (np.ones((3, 5)), np.ones(3))
    for train, valid, rows in (((x, y), good, "training"), (good, (x, y), "validation")):
        with pytest.raises(PerfseerError, match=message) as caught:
            ArrayRegressor(5, SETTINGS).fit(*train, valid, seed=0)
        assert rows in str(caught.value)
