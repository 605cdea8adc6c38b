"""Label texts: read by a grammar, never evaluated; what is missing is told apart."""

import math
import time

import pytest

from perfseer.data.sources.perfseer_release.labels import FIELDS, MAX_CHARACTERS, PhaseLabels, read_labels
from perfseer.errors import PerfseerError

GOOD = "1.25|62.5|30|1400.5|99|45|2048"


def kinds(text: str) -> list[tuple[str, str]]:
    return [(fault.phase, fault.kind) for fault in read_labels(text, "a.txt").faults]


@pytest.mark.parametrize(
    "text",
    [
        repr({"train": GOOD, "infer": "0.5|97|30|1400|99|45|1500"}),
        f'{{"train": "{GOOD}", "infer": "0.5|97|30|1400|99|45|1500"}}\n',
        f"\ufeff {{\n 'infer' : '0.5|97|30|1400|99|45|1500' ,\r\n 'train':'{GOOD}' , }} \n",
        f"{{'x': 'y', 'train': '{GOOD.replace('|', ' | ')}', 'infer': '5e-1|97|3|1|99|4|1500', 'n': None}}",
    ],
)
def test_fields_are_taken_by_position(text):
    labels = read_labels(text, "a.txt")
    assert labels.train == PhaseLabels(sample_time_ms=1.25, util_pct=62.5, mem_mib=2048.0)
    assert labels.infer == PhaseLabels(sample_time_ms=0.5, util_pct=97.0, mem_mib=1500.0)
    assert labels.faults == ()


def test_each_of_the_seven_fields_stands_where_the_authors_put_it():
    labels = read_labels(repr({"train": "|".join(str(n) for n in range(1, 8)), "infer": GOOD}), "a.txt")
    assert FIELDS.index("peak_memory_usage") == 6
    assert labels.train == PhaseLabels(1.0, 2.0, 7.0)


@pytest.mark.parametrize(
    ("train", "kind"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("1.25|62.5|30|1400.5|99|45", "too few fields"),
        ("1.25", "too few fields"),
        (GOOD + "|1", "too many fields"),
        ("|62.5|30|1400.5|99|45|2048", "empty"),
        ("nan|62.5|30|1400.5|99|45|2048", "nan"),
        ("1.25|N/A|30|1400.5|99|45|2048", "not a number"),
        ("1.25|0|30|1400.5|99|45|2048", "zero"),
        ("1.25|62.5|30|1400.5|99|45|0.0", "zero"),
        ("inf|62.5|30|1400.5|99|45|2048", "infinite"),
        ("-Infinity|62.5|30|1400.5|99|45|2048", "infinite"),
        ("1e400|62.5|30|1400.5|99|45|2048", "infinite"),
        ("1.25|62.5|30|1400.5|99|45|-2048", "negative"),
        ("1.25|200|30|1400.5|99|45|2048", "above 100 %"),
        ("1.25|62.5|30|1400.5|99|45|1e300", "implausible"),
        ("1e-300|62.5|30|1400.5|99|45|2048", "implausible"),
        ("1_0|62.5|30|1400.5|99|45|2048", "not a number"),
        ("٣|62.5|30|1400.5|99|45|2048", "not a number"),
    ],
)
def test_what_is_wrong_with_a_value_is_told_apart(train, kind):
    labels = read_labels(repr({"train": train, "infer": GOOD}), "a.txt")
    assert [(fault.phase, fault.kind) for fault in labels.faults] == [("train", kind)]
    assert labels.infer == PhaseLabels(1.25, 62.5, 2048.0)


def test_only_the_value_at_fault_is_lost():
    labels = read_labels(repr({"train": "x|0|30|1|9|4|2048", "infer": GOOD}), "a.txt")
    assert math.isnan(labels.train.sample_time_ms)
    assert math.isnan(labels.train.util_pct)
    assert labels.train.mem_mib == 2048.0
    assert [fault.kind for fault in labels.faults] == ["not a number", "zero"]
    assert "'x'" in labels.faults[0].detail
    assert [fault.detail.split()[1] for fault in labels.faults] == ["time", "average_sm_util"]


def test_of_a_line_with_fields_missing_none_is_trusted():
    labels = read_labels(repr({"train": "1|2|3", "infer": GOOD}), "a.txt")
    assert all(map(math.isnan, (labels.train.sample_time_ms, labels.train.util_pct, labels.train.mem_mib)))


def test_fields_that_are_no_labels_may_be_anything():
    assert kinds(repr({"train": "1|2||x|0|nan|3", "infer": GOOD})) == []


@pytest.mark.parametrize("text", ["", " \n", "{}", "{ }", "{'other': 'x'}", "{'train': None, 'infer': None}"])
def test_missing_phases_are_named(text):
    assert kinds(text) == [("train", "no entry"), ("infer", "no entry")]


def test_a_missing_phase_leaves_the_other():
    labels = read_labels(repr({"infer": GOOD}), "a.txt")
    assert labels.infer.mem_mib == 2048.0
    assert [(fault.phase, fault.kind) for fault in labels.faults] == [("train", "no entry")]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch CANARY')",
        "open('CANARY', 'w')",
        "{'train': open('CANARY', 'w'), 'infer': ''}",
        "{'train': '' if open('CANARY', 'w') else '', 'infer': ''}",
        "{open('CANARY', 'w'): '', 'infer': ''}",
        "[open('CANARY', 'w') for _ in '1']",
        "{'train': f'{open(\"CANARY\", \"w\")}', 'infer': ''}",
        "(lambda: open('CANARY', 'w'))()",
    ],
)
def test_what_eval_would_run_does_not_run(text, tmp_path):
    canary = tmp_path / "canary"
    attack = text.replace("CANARY", str(canary))
    eval(attack)
    assert canary.exists(), "this is no attack: eval did not run it"
    canary.unlink()
    with pytest.raises(PerfseerError, match=r"label/evil\.txt.*evaluated"):
        read_labels(attack, "label/evil.txt")
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        "{'train': 'a' 'b', 'infer': ''}",
        "{'train': 'a', 'infer': ''} + 1",
        "{'train': '\\x31', 'infer': ''}",
        "{'train': 'a, 'infer': ''}",
        "{'train': 1, 'infer': ''}",
        "{'train': ['1'], 'infer': ''}",
        "{'train': 'a',, 'infer': ''}",
        "{,}",
        "{'train' 'a'}",
        "{'train': 'a' # comment\n}",
        "['train', 'infer']",
        "hello",
        "{" * 2000,
        "-" * 4000 + "1",
        "(" * 2000 + ")" * 2000,
        "{'train': " * 300,
    ],
)
def test_anything_but_a_dict_of_texts_is_refused_by_name(text):
    with pytest.raises(PerfseerError, match=r"odd\.txt: refused"):
        read_labels(text, "odd.txt")


def test_a_key_twice_is_refused():
    with pytest.raises(PerfseerError, match="key twice"):
        read_labels(f"{{'train': '{GOOD}', 'train': '{GOOD}'}}", "odd.txt")


def test_a_long_text_is_refused_unread_and_none_takes_long():
    with pytest.raises(PerfseerError, match=f"at most {MAX_CHARACTERS}"):
        read_labels("{" * (MAX_CHARACTERS + 1), "odd.txt")
    started = time.process_time()
    for text in (" " * MAX_CHARACTERS, "{" + " " * 4000, "{'a':'b'," * 400 + " " * 400, "{'a':" + " " * 4000):
        try:
            read_labels(text, "odd.txt")
        except PerfseerError:
            continue
    assert time.process_time() - started < 1


def test_what_is_quoted_from_a_hostile_text_cannot_rewrite_the_terminal():
    with pytest.raises(PerfseerError) as caught:
        read_labels("\x1b[2J" + "x" * 4000, "\x1b]0;evil\x07.txt")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400
