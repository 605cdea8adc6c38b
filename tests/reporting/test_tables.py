"""Markdown tables and the breakdowns that fill them."""

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.breakdowns import GROUPINGS, by_quartile, by_style, errors_of, grouped_errors
from perfseer.reporting.html import page, slug
from perfseer.reporting.tables import bullet_list, escape, markdown_table, table

TABLE = pd.DataFrame(
    {
        "configuration": ["a", "b", "c", "d"],
        "architecture": ["x", "x", "y", "y"],
        "family": ["vgg+resnet+vgg+vgg", "vgg+resnet+vgg+vgg", "resnet+resnet+resnet+resnet", "densenet"],
        "batch_size": [1, 4, 1, 4],
        "actual_train_time_ms": [1.0, 2.0, 4.0, 10.0],
        "predicted_train_time_ms": [1.1, 1.0, 4.0, 12.0],
    }
)


def test_markdown_table():
    assert markdown_table(["a", "b", "c"], [["1", "2", "3"]], align="lr").splitlines() == [
        "| a | b | c |",
        "| :-- | --: | --: |",
        "| 1 | 2 | 3 |",
    ]


def test_a_table_of_rows_and_columns_with_a_total_below():
    lines = table([2, 3], [("n", str), ("n²", lambda n: str(n * n))], last=[["sum", "13"]]).splitlines()
    assert lines[2:] == ["| 2 | 4 |", "| 3 | 9 |", "| sum | 13 |"]


def test_ragged_rows_are_refused():
    with pytest.raises(ValueError, match=r"1 cells.* 2"):
        markdown_table(["a", "b"], [["1"]])


def test_text_from_outside_cannot_break_a_table():
    assert escape("a|b\n<i>`x`") == "a\\|b &lt;i&gt;'x'"


def test_bullets():
    assert bullet_list(["a", "b"]) == "- a\n- b"


def test_a_row_counts_in_each_of_its_styles_once():
    found = grouped_errors(errors_of(TABLE, "train_time_ms"), by_style(TABLE)).set_index("group")
    assert found["n"].to_dict() == {"densenet": 1, "resnet": 3, "vgg": 2}
    assert found["mape_pct"].to_dict() == pytest.approx({"densenet": 20, "resnet": 20, "vgg": 30})
    assert found.loc["resnet", "median_pct"] == pytest.approx(10)
    assert found.loc["vgg", "bias_pct"] == pytest.approx(-20)


def test_by_batch_size():
    found = grouped_errors(errors_of(TABLE, "train_time_ms"), GROUPINGS["batch size"](TABLE))
    assert found["group"].tolist() == [1, 4]
    assert found["mape_pct"].tolist() == pytest.approx([5, 35])


def test_quarters():
    quarters = by_quartile(pd.Series([8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
    assert quarters.tolist()[:3] == ["largest quarter", "smallest quarter", "smallest quarter"]
    assert quarters.value_counts().tolist() == [2, 2, 2, 2]
    assert set(by_quartile(pd.Series([5.0, 5.0, 5.0]))) == {"second quarter"}


def test_missing_target():
    with pytest.raises(PerfseerError, match="predicted_infer_util_pct"):
        errors_of(TABLE, "infer_util_pct")


def test_page_has_unique_anchors_contents_and_scrolling_tables():
    text = "# Title\n\n## Same\n\n## Same\n\n| a | b |\n| :-- | --: |\n| 1 | " + "long " * 12 + "|\n"
    html = page(text)
    assert html.count("<title>Title</title>") == 1
    assert 'href="#same"' in html
    assert 'href="#same-2"' in html
    assert 'id="same-2"' in html
    assert 'class="table"><table>' in html
    assert 'class="wide"' in html
    assert "http" not in html


def test_slug():
    assert slug("One vs. `2` — 50 %") == "one-vs-2-50"
