"""Versions of software as people name them: read, refused, and compared."""

import pytest

from perfseer.errors import PerfseerError
from perfseer.forecast.platform_choice import Wanted
from perfseer.forecast.software import newest, parse_software, steps_between, version_of
from tests.helpers.forecasts import CPU, R3090_OLD, platform


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ("2.6", "torch 2.6"),
        ("torch2.6", "torch 2.6"),
        ("PyTorch 2.6", "torch 2.6"),
        ("torch==2.6.1", "torch 2.6.1"),
        ("torch 2.6.0 cu124", "torch 2.6.0 cu124"),
        (" torch-2.6.0+cu124 ", "torch 2.6.0 cu124"),
        ("2.13.0+cpu", "torch 2.13.0 cpu"),
        ("1.12", "torch 1.12"),
    ],
)
def test_a_version_is_read_in_any_spelling(named, read):
    assert parse_software(named) == read
    assert Wanted(software=named).software == read


@pytest.mark.parametrize(
    "named", ["", "torch", "2", "9.9", "0.4", "1.14", "2.99", "-2.6", "2.6.0 cuda", "jax 0.4", "2.6 2.7", "é"]
)
def test_what_is_no_version_is_refused_with_what_is_one(named):
    with pytest.raises(PerfseerError, match=r"2\.6"):
        Wanted(software=named)


def test_versions_have_a_distance():
    assert version_of("torch 2.13.0 cu130") == (2, 13)
    order = sorted([(2, 4), (2, 9), (2, 1), (1, 13)], key=lambda one: steps_between((2, 6), one))
    assert order == [(2, 4), (2, 9), (2, 1), (1, 13)]
    assert steps_between((1, 13), (2, 0)) == steps_between((2, 0), (1, 13)) > steps_between((2, 40), (2, 0))


def test_the_newest_goes_by_number():
    late = platform("rtx3090", software="torch 2.10.0 cu128")
    assert newest([R3090_OLD, CPU, late, platform("rtx4090")]) == "torch 2.10.0 cu128"
