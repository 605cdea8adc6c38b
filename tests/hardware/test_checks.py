import datetime

import numpy as np
import pandas as pd
import pytest

from perfseer.hardware.checks import Checks
from tests.helpers.published_tables import refusals


def checks_of(**columns):
    return Checks(pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()}))


def read(checks, values):
    return checks.reading(pd.DataFrame({"x": values}))


def test_numbers_are_scaled_and_unknown_where_nothing_is_written():
    checks = checks_of(a=["1.5", " 2e3 ", "", None, "0"])
    values = checks.number("a", 0, 1e6, "GB", scale=1e9)
    np.testing.assert_array_equal(values, [1.5e9, 2e12, np.nan, np.nan, 0])
    assert read(checks, values).n_read == 5


@pytest.mark.parametrize(
    "cell", ["inf", "-inf", "nan", "1e400", "N/A", "1,000", "$5", "0x1F", "1_000", "True", "٣", "5 W"]
)
def test_what_is_no_finite_number_is_refused_with_its_row(cell):
    checks = checks_of(a=["1", cell])
    assert np.isnan(checks.number("a", 0, 10, "W")[1])
    assert refusals(read(checks, [1, 2])) == [(2, "a", cell)]


def test_numbers_outside_what_is_plausible_are_refused_with_the_unit():
    checks = checks_of(a=["-1", "0.5", "3000", "3001", "250000"])
    reading = read(checks, checks.number("a", 1, 3000, "W"))
    assert [row for row, _, _ in refusals(reading)] == [1, 2, 4, 5]
    assert set(reading.refused["reason"]) == {"not within 1 to 3000 W"}
    assert reading.rows["x"].tolist() == [3000]


def test_zero_is_unknown_where_the_source_says_so_and_else_a_number():
    checks = checks_of(a=["0", "2"])
    assert checks.number("a", 1, 9, "", zero_is_unknown=True).isna().tolist() == [True, False]
    assert read(checks, [1, 2]).refused.empty
    checks.number("a", 1, 9, "")
    assert refusals(read(checks, [1, 2])) == [(1, "a", "0")]


def test_missing_and_broken_counts_are_refused_where_they_are_needed():
    checks = checks_of(a=["", "1.5", "3"])
    checks.number("a", 1, 9, "", required=True, whole=True)
    assert refusals(read(checks, [1, 2, 3])) == [(1, "a", ""), (2, "a", "1.5")]


def test_names_are_harmless_text_whatever_they_say():
    names = [
        "'; DROP TABLE gpus; --",
        '<script>alert("x")</script>',
        "=HYPERLINK(1)",
        "  Intel® Arc™ A770 ",
        "名",
    ]
    checks = checks_of(a=names)
    assert checks.name("a").tolist() == [name.strip() for name in names]
    assert read(checks, names).refused.empty


def test_names_that_are_none_are_refused():
    checks = checks_of(a=["", " ", "a\nb", "a\x1b[2J", "a\u202eb", "x" * 201, "x" * 200])
    checks.name("a")
    assert [row for row, _, _ in refusals(read(checks, range(7)))] == [1, 2, 3, 4, 5, 6]


def test_only_listed_words_are_taken():
    checks = checks_of(a=["AMD", "", "Amd"])
    assert checks.one_of("a", ["AMD", "Intel"]).tolist() == ["AMD", "", "Amd"]
    assert refusals(read(checks, [1, 2, 3])) == [(3, "a", "Amd")]


def test_days_are_iso_text():
    checks = checks_of(a=["2024-02-29", "", "2023-02-29", "29.02.2024", "1879-03-14", "2099-01-01"])
    assert checks.date("a").tolist()[:2] == ["2024-02-29", ""]
    assert [row for row, _, _ in refusals(read(checks, range(6)))] == [3, 4, 5, 6]
    package = Checks(pd.DataFrame({"a": [datetime.date(2020, 5, 14), None]}, dtype=object))
    assert package.date("a").tolist() == ["2020-05-14", ""]


def test_the_first_of_a_key_is_taken_and_the_others_say_which_it_was():
    checks = checks_of(a=["x", "y", "X", "x ", "y"], b=["1", "2", "1", "1", "3"])
    checks.unique(["a"], folded=True)
    reading = read(checks, range(5))
    assert reading.rows["x"].tolist() == [0, 1]
    assert list(zip(reading.refused["row"], reading.refused["reason"], strict=True)) == [
        (3, "of the key of row 1, with other values"),
        (4, "the same as row 1"),
        (5, "of the key of row 2, with other values"),
    ]
    other = checks_of(a=["x", "x", "X"], b=["1", "2", "1"])
    other.unique(["a", "b"])
    assert read(other, range(3)).refused.empty


def test_a_row_with_several_faults_is_refused_once_with_all_of_them():
    checks = checks_of(a=["", "n"], b=["-1", "1"])
    checks.name("a")
    checks.number("b", 0, 9, "W")
    reading = read(checks, [1, 2])
    assert (reading.n_read, len(reading.rows)) == (2, 1)
    assert refusals(reading) == [(1, "a", ""), (1, "b", "-1")]


def test_findings_count_only_rows_that_are_taken():
    checks = checks_of(a=["", "n", "m"])
    checks.name("a")
    reading = checks.reading(
        pd.DataFrame({"x": [1, 2, 3]}), findings={"odd": [True, True, False], "none": [False] * 3}
    )
    assert reading.findings == {"odd": 1, "none": 0}


def test_notes_have_lines_and_nothing_that_acts():
    checks = checks_of(a=["one\r\ntwo\n\tthree", "\x1b[31mred", "left\u202eright", "", None])
    notes = checks.note("a")
    assert refusals(read(checks, notes)) == [(2, "a", "\\u001b[31mred"), (3, "a", "left\\u202eright")]
    assert notes[0] == "one\r\ntwo\n\tthree"
