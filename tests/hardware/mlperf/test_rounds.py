"""What names and rows say of their round."""

import pytest

from perfseer.hardware.mlperf.rounds import order, places, round_in, round_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v5.1", "v5.1"),
        ("5.1-0042", "v5.1"),
        ("V6.0", "v6.0"),
        ("v4.1-0001", "v4.1"),
        ("six", None),
        ("", None),
    ],
)
def test_round_a_text_begins_with(text, found):
    assert round_of(text) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("inference_v6.0_summary_results.json", "v6.0"),
        ("v10.1.csv.gz", "v10.1"),
        ("summary_results.json", ""),
        ("2026.04.01.json", ""),
    ],
)
def test_round_in_a_file_name(name, found):
    assert round_in(name) == found


def test_rounds_are_ordered_by_their_numbers():
    assert sorted(["v10.0", "v2.1", "v0.7", "v2.0"], key=order) == ["v0.7", "v2.0", "v2.1", "v10.0"]


def test_places_are_those_among_the_rounds_there_are():
    assert places(["v10.0", "v0.7", "v5.1", "v0.7"]) == [2, 0, 1, 0]
    assert places([]) == []
