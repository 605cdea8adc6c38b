import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.cells import parse_csv, require_header, shown


def test_cells_are_what_the_file_says_with_or_without_a_byte_order_mark():
    text = 'name,price\r\n"a, ""b""\nc", 1 \r\nNA,\r\n,nan'
    expected = [['a, "b"\nc', " 1 "], ["NA", ""], ["", "nan"]]
    for encoding in ("utf-8", "utf-8-sig"):
        cells = parse_csv(text.encode(encoding), "t.csv")
        assert list(cells.columns) == ["name", "price"]
        assert cells.to_numpy().tolist() == expected


def test_a_header_alone_is_a_table_without_rows():
    assert parse_csv(b"a,b\n", "t.csv").shape == (0, 2)


def test_a_cell_may_be_longer_than_a_block():
    assert parse_csv(b"a,b\n1," + b"x" * 3_000_000, "t.csv")["b"].str.len().tolist() == [3_000_000]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "t.csv"),
        (b"a,b\n1,2,3\n", "row 1 has 3 cells"),
        (b"a,b\n1,2\n3\n", "row 2 has 1 cells"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "row 2 has 1 cells"),
        (b"a,a\n1,2\n", "'a'"),
        (b"a,,c\n1,2,3\n", r"\[2\]"),
        (b"a,b\n1,2\n\xe9,3\n", "byte 8, in line 3, is 0xe9"),
        ("a,b\n1,2\n".encode("utf-16"), "byte 0"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        (b"PAR1\x00\x00", "zero bytes"),
    ],
)
def test_what_is_no_such_table_is_refused_with_the_place(content, told):
    with pytest.raises(PerfseerError, match=told):
        parse_csv(content, "t.csv")


def test_a_header_must_be_the_one_expected_in_any_order():
    require_header(pd.DataFrame(columns=["b", "a"]), ["a", "b"], "t.csv")
    with pytest.raises(
        PerfseerError, match=r"'TDP_W' is called 'TDP_w'; it lacks 'price'; it also has '\\u001b'"
    ):
        require_header(pd.DataFrame(columns=["TDP_w", "\x1b"]), ["TDP_W", "price"], "t.csv")


def test_what_is_shown_is_a_line_of_bounded_length():
    assert shown("a\nb\x1b") == "a b\\u001b"
    assert len(shown("x" * 10_000)) == 201
