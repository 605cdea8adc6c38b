"""The document renders from whatever the database has."""

import re

import pytest

from perfseer.reporting.document import tamed
from perfseer.studies.hardware import tables
from perfseer.studies.hardware.about import DOCUMENT
from perfseer.studies.hardware.render import markdown, render_study
from perfseer.studies.hardware.statistics import statistics
from tests.helpers.hardware_study import full_study, many_specs, study
from tests.helpers.rendered import check_figures, check_outputs
from tests.helpers.specifications import specs


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    out = tmp_path_factory.mktemp("hardware")
    return out, render_study(full_study(), out)


def table_after(text, heading):
    """Cells of the first table below a heading."""
    lines = text[text.index(heading) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    kept = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        kept.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return kept


def test_everything_promised_is_written_and_nothing_else(rendered):
    out, published = rendered
    check_outputs(DOCUMENT, out)
    check_figures(out, "hardware", len(DOCUMENT.figures))
    assert published.missing == ("the source other: not | there",)


def test_no_broken_number_in_the_text(rendered):
    text = (rendered[0] / "hardware.md").read_text(encoding="utf-8")
    assert not {"nan", "NaN", "inf", "None", "Undefined"} & set(re.findall(r"[A-Za-z]+", text))


def test_sources_stand_with_their_rows_and_absent_ones_say_why(rendered):
    rows = table_after((rendered[0] / "hardware.md").read_text(encoding="utf-8"), "## Sources")
    assert rows[2][3:] == ["0123456789ab", "10", "9", "1"]
    assert rows[3][3:] == ["absent: not \\| there", "–", "–", "–"]


def test_the_greatest_conflict_leads_whichever_side_is_larger():
    rows = table_after(tables.conflict_table(full_study()), "|")
    assert [row[4] for row in rows[2:]] == ["0.250", "1.25"]


def test_rankings_leave_out_what_was_guessed():
    full = full_study()
    best = full.metrics["tflops_per_watt_fp16"][full.canonical].sort_values(ascending=False)
    (row,) = [row for row in table_after(tables.ranking_table(full), "|") if "FP16 of matrix" in row[0]]
    assert row[3].endswith(f"{best.iloc[0] / 1e12:.2f}")
    full.metric_status.loc[best.index[0], "tflops_per_watt_fp16"] = "imputed"
    (row,) = [row for row in table_after(tables.ranking_table(full), "|") if "FP16 of matrix" in row[0]]
    assert (row[2], row[3][-4:]) == ("23 / 1 / 0", f"{best.iloc[1] / 1e12:.2f}")


def test_browsers_get_every_sourced_accelerator(rendered):
    page = (rendered[0] / "hardware.html").read_text(encoding="utf-8")
    body = page[page.index('id="explorer-accelerators"') :].split("</tbody>")[0]
    assert body.count('<th scope="row">') == 12
    assert tables.SENTENCE not in page


@pytest.mark.parametrize("figures", [many_specs(6), specs({"a": {"name": "A"}})], ids=["few", "one"])
def test_without_sources_it_says_what_is_absent(figures):
    bare = study(figures)
    text = tamed(markdown(bare, statistics(bare)))
    assert text.split("\n\n").count(tables.SENTENCE) == 1
    absent = text[text.index("## What is absent") :]
    assert "prices in shops" in absent
    assert "trend" in absent
    assert len(table_after(text, "## Matrices")) == 8
