"""Numbers in words: certainty only where there is some, units that suit."""

import pytest

from perfseer.errors import PerfseerError
from perfseer.words import chance, share, size


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        *((0.0, "0 %"), (1e-12, "<1 %"), (0.004, "<1 %"), (0.005, "<1 %"), (0.006, "1 %"), (0.5, "50 %")),
        *((0.994, "99 %"), (0.995, ">99 %"), (0.9999999, ">99 %"), (1.0, "100 %")),
    ],
)
def test_a_chance_is_certain_only_where_it_is(probability, said):
    assert chance(probability) == said


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(PerfseerError):
        chance(value)


def test_a_share_is_all_only_where_it_is():
    shares = (0, 1e-9, 0.125, 0.9994, 0.9996, 1)
    assert [share(value) for value in shares] == ["0 %", "1e-07 %", "12.5 %", "99.9 %", ">99.9 %", "100 %"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((0, "0 B"), (999, "999 B"), (1000, "1 kB"), (14_200_000, "14.2 MB"), (999_960, "1 MB")),
        *((4.72e8, "472 MB"), (1e21, "1e+03 EB"), (0.25, "0.25 B")),
    ],
)
def test_a_size_has_the_unit_that_suits(value, said):
    assert size(value, "B") == said
