"""Exponents of power laws, with intervals worked out by hand."""

import math

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.studies.benchmark.scaling import fit_exponent


def test_an_exact_power_law_is_found_with_no_spread():
    x = np.array([10.0, 20.0, 40.0])
    found = fit_exponent(x, 3 * x**1.5, [0, 0, 0], 0.95)
    assert found.mean == pytest.approx(1.5)
    assert found.half_width == pytest.approx(0.0, abs=1e-7)


def test_every_seed_has_a_level_of_its_own():
    x = np.array([10.0, 20.0, 10.0, 20.0])
    y = np.array([1.0, 2.0, 100.0, 200.0])
    assert fit_exponent(x, y, [0, 0, 1, 1], 0.95).mean == pytest.approx(1.0)


def test_the_interval_is_students():
    # Two seeds whose costs double and quadruple as the size doubles: slopes 1 and 2, so 1.5 between them.
    # Residuals ± 0.25 ln 2 at four points: sum of squares 0.25 ln² 2, over 4 - 2 - 1 = 1 degree of freedom,
    # and a spread of ln² 2 gives a standard error of 0.5; Student's factor with 1 degree is tan(0.475 π).
    found = fit_exponent([1, 2, 1, 2], [1, 2, 1, 4], [0, 0, 1, 1], 0.95)
    assert found.mean == pytest.approx(1.5)
    assert found.half_width == pytest.approx(0.5 * math.tan(0.475 * math.pi))


def test_two_points_have_no_interval_and_one_size_no_exponent():
    assert fit_exponent([1, 2], [1, 4], [0, 0], 0.95).half_width is None
    assert fit_exponent([5, 5], [1, 2], [0, 0], 0.95) is None


@pytest.mark.parametrize("y", [[1.0, 0.0], [1.0, math.nan], [1.0]])
def test_what_is_no_cost_is_refused(y):
    with pytest.raises(PerfseerError, match=r"positive|groups"):
        fit_exponent([1, 2], y, [0, 0], 0.95)
