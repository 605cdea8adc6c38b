"""What lies outside the training range is said with its side, its name and its unit."""

from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.forecast.parts import Outside
from perfseer.forecast.ranges import NAMES, range_notices


def said(*outside: Outside) -> list[str]:
    return [notice.message for notice in range_notices(outside)]


def test_every_feature_of_a_graph_has_a_name():
    assert set(NAMES) == set(GLOBAL_COLUMNS)


def test_smaller_and_larger_with_units():
    (text,) = said(
        Outside("max_bytes", 1.42e7, 4.72e8, 9e9),
        Outside("total_flops", 5e12, 1e6, 2e12),
        Outside("n_nodes", 4096, 3, 900),
    )
    smaller, larger = text.split("; ")
    assert smaller.startswith("smaller than anything trained on: ")
    assert "14.2 MB (at least 472 MB in training)" in smaller
    assert "5 TFLOPs (at most 2 TFLOPs in training)" in larger
    assert "4096 (at most 900 in training)" in larger


def test_what_never_varied_is_not_a_range():
    (text,) = said(Outside("total_backward_flops", 7e9, 0.0, 0.0))
    assert "7 GFLOPs (always 0 FLOPs in training)" in text
    (batch,) = said(Outside("batch_size", 64, 1, 1))
    assert "64 (always 1 in training)" in batch


def test_as_many_digits_as_tell_them_apart():
    (text,) = said(Outside("total_bytes", 1_000_010, 1, 1_000_000))
    assert "1.00001 MB (at most 1 MB in training)" in text
