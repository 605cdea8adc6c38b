import numpy as np
import pytest
import torch

from perfseer.data.normalisation import LabelNormaliser, LabelScale
from perfseer.errors import PerfseerError
from perfseer.training.losses import huber, l1, make_loss, mse

TIME = LabelScale(ceiling=None, mean=1.0, scale=2.0, low=-20.0, high=20.0)
UTIL = LabelScale(ceiling=101.0, mean=0.5, scale=0.8, low=-20.0, high=20.0)
NORMALISER = LabelNormaliser({"train_time_ms": TIME, "train_util_pct": UTIL})
UNIT = np.ones(2)


def test_mse_is_one_value_per_label():
    outputs, labels = torch.tensor([[1.0, 0.0], [3.0, 5.0]]), torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    assert mse(outputs, labels).tolist() == [2.5, 4.5]


def test_l1_and_huber_are_one_value_per_label():
    outputs, labels = torch.tensor([[0.5, 0.0], [3.0, 5.0]]), torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    assert l1(outputs, labels).tolist() == [1.25, 1.5]
    # 0.5 d² up to 1, |d| - 0.5 beyond: (0.125 + 1.5) / 2 and (0 + 2.5) / 2
    assert huber(outputs, labels).tolist() == [0.8125, 1.25]


def test_relative_loss_is_the_relative_error_in_physical_units():
    rng = np.random.default_rng(0)
    outputs, labels = rng.normal(size=(2, 50, 2)) * 0.2
    predicted, actual = NORMALISER.decode(outputs), NORMALISER.decode(labels)
    expected = (np.abs(predicted - actual) / actual).mean(axis=0)
    loss = make_loss("relative", NORMALISER, UNIT)
    found = loss(torch.tensor(outputs).float(), torch.tensor(labels).float())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_relative_loss_of_deviations_from_a_baseline():
    """z = baseline + 0.25 x: the baseline cancels, the spread does not."""
    x, baseline = np.array([[0.4], [-0.2]]), np.array([[1.0], [2.0]])
    one = NORMALISER.select(("train_time_ms",))
    predicted, actual = one.decode(baseline + 0.25 * x), one.decode(baseline)
    loss = make_loss("relative", one, np.array([0.25]))
    found = float(loss(torch.tensor(x), torch.zeros(2, 1)))
    assert found == pytest.approx((np.abs(predicted - actual) / actual).mean(), rel=1e-5)


def test_relative_loss_stays_finite_and_has_a_slope_far_away():
    outputs = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = make_loss("relative", NORMALISER, UNIT)(outputs, torch.zeros(2, 2))
    assert torch.isfinite(loss).all()
    loss.sum().backward()
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[0, 0] > 0 > outputs.grad[1, 0]


def test_perfect_predictions_cost_nothing():
    labels = torch.randn(4, 2)
    for name in ("mse", "l1", "huber", "relative"):
        assert make_loss(name, NORMALISER, UNIT)(labels, labels).tolist() == [0.0, 0.0]


def test_unknown_loss_is_refused():
    with pytest.raises(PerfseerError, match=r"'hinge' .* mse, l1, huber, relative"):
        make_loss("hinge", NORMALISER, UNIT)


def test_relative_loss_needs_logarithms():
    scale = LabelScale(ceiling=None, mean=0.0, scale=1.0, low=0.1, high=9.0, transform="identity")
    with pytest.raises(PerfseerError, match=r"log .*identity"):
        make_loss("relative", LabelNormaliser({"train_time_ms": scale}), np.ones(1))
