"""Tables on the console: columns over rows, and what becomes of width and of brackets."""

import io

from perfseer.console.tables import Column, console, listed, table

WORDS = ["plain", "[red]not markup[/red]"]
COLUMNS = [Column("word", str), Column("letters", len, number=True)]


def printed(shown, width=60):
    stream = io.StringIO()
    console(width, stream).print(shown)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_columns_over_rows_with_numbers_to_the_right():
    lines = printed(table(COLUMNS, WORDS))
    cells = [line.split() for line in lines if line and "─" not in line]
    assert cells == [["word", "letters"], ["plain", "5"], ["[red]not", "markup[/red]", "21"]]
    assert len({len(line) for line in lines if line}) == 1  # all end where the numbers do


def test_rows_may_be_lists_of_cells():
    rows = [["plain", 5], ["[red]not markup[/red]", 21]]
    assert printed(table(listed(["word", "letters"], ["letters"]), rows)) == printed(table(COLUMNS, WORDS))


def test_a_title_frames_the_table():
    lines = printed(table(COLUMNS, WORDS, title="[some] words"))
    assert lines[0] == "[some] words"
    assert lines[1].startswith("┏")


def test_what_is_too_long_is_cut_off_unless_it_may_be_folded():
    long = ["x" * 30]
    cut, folded = (printed(table(COLUMNS[:1], long, fold=fold), width=20) for fold in (False, True))
    assert sum(line.count("x") for line in cut) < 30
    assert sum(line.count("x") for line in folded) == 30
