"""The document renders from whatever the database has."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.schema import CATEGORIES as KNOWN_CATEGORIES
from perfseer.reporting.document import tamed
from perfseer.reporting.tables import escape
from perfseer.studies.hardware import tables
from perfseer.studies.hardware.about import DOCUMENT
from perfseer.studies.hardware.conclusions import decisions, headlines
from perfseer.studies.hardware.figures import CATEGORIES, share_dots
from perfseer.studies.hardware.render import markdown, render_study
from perfseer.studies.hardware.statistics import statistics
from perfseer.studies.hardware.study import FRAMES
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


def test_the_greatest_conflict_of_each_accelerator_leads_whichever_side_is_larger():
    full = full_study()
    first = full.conflicts.iloc[[0]].assign(figure="l2_bytes", chosen_value=2.0**21, ratio=1.1)
    rows = table_after(
        tables.conflict_table(replace(full, conflicts=pd.concat([full.conflicts, first]))), "|"
    )
    assert [row[5] for row in rows[2:]] == ["0.250", "1.25"]
    assert [row[7] for row in rows[2:]] == ["0", "1"]
    assert [row[2:4] for row in rows[2:]] == [["GiB", "7.4506 (sheet)"], ["W", "400 (sheet)"]]


def test_differences_are_counted_by_what_they_look_like():
    full = full_study()
    rows = table_after(tables.conflict_kinds_table(full), "|")
    assert sorted((row[0], row[2], row[3]) for row in rows[2:]) == [
        ("die against card", "1", "1"),
        ("no rule explains it", "1", "1"),
    ]
    assert len(decisions(full)) == 2


def test_rankings_leave_out_what_was_guessed():
    full = full_study()
    best = full.metrics["tflops_per_watt_fp16"][full.canonical].sort_values(ascending=False)
    (row,) = [row for row in table_after(tables.ranking_table(full), "|") if "FP16 of matrix" in row[0]]
    assert row[4].endswith(f"{best.iloc[0] / 1e12:.2f}")
    full.metric_status.loc[best.index[0], "tflops_per_watt_fp16"] = "imputed"
    (row,) = [row for row in table_after(tables.ranking_table(full), "|") if "FP16 of matrix" in row[0]]
    assert (row[2], row[4][-4:]) == ("23 / 1 / 0", f"{best.iloc[1] / 1e12:.2f}")


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


def test_rules_are_no_source():
    full = full_study()
    rules = full.ledger.iloc[[0]].assign(name="rules", n_read=0, n_loaded=0, n_quarantined=0)
    with_rules = replace(full, ledger=pd.concat([full.ledger, rules], ignore_index=True))
    assert headlines(with_rules, statistics(with_rules)) == headlines(full, statistics(full))
    assert table_after(tables.ledger_table(with_rules), "|")[-1][4:] == ["–", "–", "–"]


def test_names_without_an_architecture_are_counted_before_and_after_the_rules():
    names = pd.DataFrame(
        [("passmark", 10, 6, 5, 8, 10, 6), ("epoch", 4, 3, 2, 0, 4, 3)], columns=FRAMES["names"]
    )
    rows = table_after(tables.name_table(study(many_specs(2), names=names)), "|")
    assert rows[2][3:] == ["5", "2", "1,187", "532"]
    assert rows[3][3:] == ["–", "–", "–", "–"]


def test_a_price_that_a_single_cloud_asks_is_marked_and_is_not_the_best():
    figures = many_specs()
    cheap, next_best = figures.table.index[figures.table["canonical"]][:2]
    figures.table["cloud_offers"] = 3.0
    figures.table.loc[cheap, "cloud_offers"] = 1.0
    figures.status["cloud_offers"] = "observed"
    name = "usd_per_million_inferences"
    metrics = pd.DataFrame(np.nan, index=figures.table.index, columns=list(METRICS))
    metrics.loc[[cheap, next_best], name] = [0.01, 0.02]
    ways = metrics.astype(object).fillna("missing")
    ways.loc[[cheap, next_best], name] = "derived"
    offers = [(cheap, 0.1), (next_best, 0.2), (next_best, 0.3)]
    prices = pd.DataFrame(
        [(key, "on-demand", usd, "2025-03") for key, usd in offers], columns=FRAMES["prices"]
    )
    read = study(figures, metrics=metrics, metric_status=ways, prices=prices)
    (row,) = [row for row in table_after(tables.ranking_table(read), "|") if "million" in row[0]]
    assert (row[3], row[4][-1], row[5].endswith("0.0200")) == ("2", "‡", True)
    (said,) = [line for line in headlines(read, statistics(read)) if "hour" in line]
    assert escape(figures.table["name"][next_best]) in said
    assert "1 of 2 accelerators" in said


def test_shares_of_the_peak_have_a_line_for_each_generation_there_is():
    found = statistics(full_study())
    shares = [
        *found.shares,
        *(replace(share, family="other") for share in found.shares[:1]),
    ]
    figure = share_dots(replace(found, shares=shares))
    lines = {axis.get_title(): len(axis.get_yticks()) for axis in figure.axes}
    assert lines == {"classification": len(found.shares), "other": 1}


def test_every_category_of_the_database_has_a_colour():
    assert set(CATEGORIES) == set(KNOWN_CATEGORIES) - {"Unknown"}
