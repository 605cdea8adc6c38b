"""Text from outside: nothing in it acts on a terminal, in JSON it means the same, no cell is a formula."""

import json

import pytest

from perfseer.text import cell, one_line, plain

ACTING = "\x00\x07\x08\x0b\x1b\x7f\x9b\u200e\u202e\u2066\u2028\ufeff\ud800\U000e0041"


@pytest.mark.parametrize("character", ACTING)
def test_what_acts_is_shown(character):
    assert plain(f"a{character}b").isascii()
    assert json.loads(f'"{plain(character)}"') == character


def test_what_is_shown_anyway_stays():
    words = "a\tb\nc \u00e9 \u4e2d \U0001f600 \\u001b"
    assert plain(words) == words
    assert plain("\r\n") == "\\r\n"


def test_json_means_the_same_when_it_is_plain():
    text = json.dumps({"a": ACTING.replace("\ud800", "")}, ensure_ascii=False)
    assert json.loads(plain(text)) == json.loads(text)


def test_a_line_stays_one():
    assert one_line("a\nerror: b") == "a error: b"


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@a", "\ta", "  =a", "\uff1d1", "=cmd|' /c calc'!A1"])
def test_a_formula_becomes_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1.5", "+3", "1e-9", "a=b", "a-b", "", None, -1.5, 3, float("inf")])
def test_numbers_and_other_text_stay(value):
    assert cell(value) is value or cell(value) == value
