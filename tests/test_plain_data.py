import json

import pytest

from perfseer.errors import PerfseerError
from perfseer.parameters import load_mapping
from perfseer.plain_data import PlainDataError, json_object, parse_json, parse_yaml, require_plain


def laughing(levels: int) -> str:
    """Each level names the one before nine times."""
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_yaml_is_read_as_it_is_with_its_aliases_and_merges():
    text = "base: &base {a: 1, b: 0.5}\nother: {<<: *base, b: x}\nlist: [*base, 1.0e-3, yes, null]"
    base = {"a": 1, "b": 0.5}
    assert parse_yaml(text) == {"base": base, "other": {"a": 1, "b": "x"}, "list": [base, 0.001, True, None]}
    assert len(parse_yaml(laughing(3))["a2"]) == 9
    assert parse_yaml("[1e-3, 1E6, -2.e+1, 1e, e1, 1.0e-06]") == [0.001, 1e6, -20.0, "1e", "e1", 1e-6]


@pytest.mark.parametrize(
    "text",
    [
        laughing(9),
        "a: &a {b: &b [*a]}",
        "&a [1, *a]",
        "m0: &m0 {k: v}\n"
        + "\n".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9)),
        "s: &s '" + "x" * 10_000 + "'\nl: [" + "*s, " * 200 + "]",
    ],
    ids=["laughs", "in itself", "of itself", "merges", "long text"],
)
def test_what_grows_by_its_aliases_is_refused_before_it_grows(text):
    with pytest.raises(PlainDataError, match="alias"):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "!!int x",
            "!!int ''",
            "!!int +",
            "!!float x",
            "!!bool x",
            "!!timestamp x",
            "!!binary x",
            "!!omap [a]",
        ),
        *(
            "1" * 5000,
            "0x" + "f" * 300,
            "1:" * 300 + "1",
            '"\\UFFFFFFFF"',
            "a\0b",
            "[" * 100_000,
            "- " * 9999,
        ),
        *(
            "a: 1\na: 2",
            "{a: 1, b: {c: 1, c: 1}}",
            "? [a]\n: b",
            "<<: 3",
            "--- a\n--- b",
            "!!python/name:os.x",
        ),
        "#" * 300_000,
    ],
)
def test_what_the_loader_stumbles_over_is_one_kind_of_fault(text):
    with pytest.raises(PlainDataError):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text",
    ["{", "NaN", "[1, -Infinity]", "1e400", "9" * 5000, "9" * 19 + "9", "[" * 100_000, b'"\xff"', ""],
)
def test_json_that_is_none_is_one_kind_of_fault(text):
    with pytest.raises(PlainDataError):
        parse_json(text)


def test_json_is_read_as_it_is():
    value = {"a": [1, -(2**63), 2**63 - 1, 0.1, "é", None, True]}
    assert parse_json(json.dumps(value)) == value
    assert parse_json("[NaN, 1e400]", finite=False)[1] == float("inf")
    assert json_object("[1]") is json_object("{") is json_object(float("nan")) is None
    assert json_object('{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {"b": [1, float("nan")]}}, "a.b.1 = nan"),
        ({"a": float("-inf")}, "a = -inf"),
        ({"a": 2**63}, "a is an integer beyond 64 bits"),
        ({"a": {1: 2}}, "a has the key 1"),
        ({"a": {1, 2}}, "a is a set"),
        ({"a": "\ud800"}, "a has text that is no Unicode"),
    ],
)
def test_what_is_no_plain_data_is_named(value, said):
    with pytest.raises(PerfseerError, match=said):
        require_plain(value)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"a: \xe4", b"a: .nan", b"a: 2020-01-01", b"[1]", b"", b"a: !!set {b}", b"1: 2"],
)
def test_a_file_of_parameters_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(PerfseerError):
        load_mapping(str(path))


@pytest.mark.parametrize("source", ['{"a": NaN}', '{"a": 1e400}', "{" * 5000, "x" * 5000, "/dev/zero"])
def test_a_source_of_parameters_that_is_none_is_refused(source):
    with pytest.raises(PerfseerError) as caught:
        load_mapping(source)
    assert len(str(caught.value)) < 400
