"""Text of a table that would act in Markdown, in a page, in a spreadsheet: it is shown in every report."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from perfseer.data.files import write_csv
from perfseer.measure.table import read_table, write_table
from perfseer.reporting import document
from perfseer.reporting.document import publish
from perfseer.reporting.html import page
from perfseer.reporting.outputs import Document
from perfseer.reporting.tables import escape, markdown_table, tamed
from perfseer.studies.comparison.render import render as render_comparison
from perfseer.studies.measurement.render import render as render_measurement
from perfseer.studies.overview.render import render as render_overview
from tests.helpers import experiment_files, measurement_files

EVIL = "evil.example"
HOSTILE = (
    f"![pixel](http://{EVIL}/a.png)",
    f"<script src=//{EVIL}/x.js></script>",
    f"<img src=x onerror=alert(1)> <http://{EVIL}>",
    f"[click](https://{EVIL}) [click](javascript:alert(1))",
    f"]( http://{EVIL}) [r]: http://{EVIL}",
    f"a | b\n\n# c\n\n![p][r]\n\n[r]: http://{EVIL}/p.png",
    f"``![p](//{EVIL}/p.png)` www.{EVIL} ftp://{EVIL}",
    "\x1b[2J\x1b]0;title\x07\u202egnp.exe\u2028\x9b31m",
    "=cmd|'/c calc'!A1",
)


class Living(HTMLParser):
    """What of a page is alive."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        target = named.get("src") or named.get("href") or ""
        local = not target.startswith("/") and ":" not in target
        unwanted = tag in {"script", "iframe", "object", "embed", "form", "base", "link", "svg"}
        if unwanted or not local or any(name.startswith("on") for name in named):
            self.found.append((tag, target))


def living(html: str) -> list[tuple[str, str]]:
    reader = Living()
    reader.feed(html)
    return reader.found


def assert_dead(folder) -> None:
    for path in (*folder.rglob("*.md"), *folder.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert not set(text) & set("\x1b\x07\x9b\u202e\u2028"), path
        assert living(text if path.suffix == ".html" else page(text)) == [], path
        assert "<script" not in text.replace("<style>", ""), path
        if path.suffix == ".md":  # in a page it is text
            assert f"http://{EVIL}" not in text
    for path in folder.rglob("*.csv"):
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not any(cell.startswith(("=", "@", "+c", "-c")) for cell in row), path


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_shows_text_as_it_is(text):
    html = page("# T\n\n" + markdown_table(["a", "b"], [[escape(text), "after"]]))
    cells: list[str] = []

    class Cells(HTMLParser):
        def handle_starttag(self, tag, attrs):
            cells.extend([""] if tag == "td" else [])

        def handle_data(self, data):
            if cells:
                cells[-1] += data

    Cells().feed(html)
    assert [cell.strip() for cell in cells] == [
        " ".join(shown(text).split()).replace("`", "'"),
        "after",
    ]
    assert living(html) == []


def shown(text: str) -> str:
    return "".join(json.dumps(c)[1:-1] if c in "\x1b\x07\x9b\u202e" else c for c in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_press_finds_what_was_overlooked(text, tmp_path):
    markdown = f"# Report\n\n{text}\n\n- {text}\n\n{markdown_table(['a'], [[text]])}\n"
    table = pd.DataFrame({"name": [text, "-1.5", "plain"], "value": [-1.5, np.nan, 2.0]})
    publish(Document("hostile", "H"), markdown, tmp_path, figures={}, tables={"t": table})
    assert_dead(tmp_path)
    assert living(page(f"# T\n\n{text}")) == []


def test_our_own_documents_pass_the_press_as_they_are():
    own = "See [comparison](comparison.md), [there](#a-b), ![F](figures/a_b.svg); `x < y`, p < 0.05.\n"
    assert tamed(own) == own


def test_formulas_of_text_are_none_and_numbers_stay_numbers(tmp_path):
    words = ["=1+1", "+1", "-2e3", "@sum", " =x", "\tx", "a=b", "-", None]
    write_csv(tmp_path / "t.csv", pd.DataFrame({"text": words, "number": [-1.5] * len(words)}))
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8", newline="")))
    assert [row["text"] for row in rows] == ["'=1+1", "+1", "-2e3", "'@sum", "' =x", "'\tx", "a=b", "'-", ""]
    assert {row["number"] for row in rows} == {"-1.5"}


def hostile(table: pd.DataFrame) -> pd.DataFrame:
    """Every column of free text holds all of `HOSTILE`."""
    text = " ".join(HOSTILE)
    facts = json.dumps({"torch": text, text: text, "cores": 2})
    changed = table.assign(device=f"CPU {text}", environment=facts)
    changed["protocol"] = [json.dumps({**json.loads(cell), "note": text}) for cell in table["protocol"]]
    changed.loc[changed["status"] != "ok", "reason"] = text
    return changed


@pytest.fixture
def no_figures(monkeypatch):
    """Nothing is drawn, which takes most of the time."""
    monkeypatch.setattr(document, "_draw", lambda *_: None)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("render", [render_overview, render_comparison])
def test_reports_of_an_experiment_are_dead(render, tmp_path, monkeypatch):
    plain = experiment_files.measurements
    monkeypatch.setattr(experiment_files, "measurements", lambda: hostile(plain()))
    mapping, _ = experiment_files.write_experiment(tmp_path / "results")
    for path in (tmp_path / "results").rglob("record.json"):
        record = json.loads(path.read_text())
        record["environment"] = dict.fromkeys(record["environment"], " ".join(HOSTILE))
        path.write_text(json.dumps(record))
    render(mapping, tmp_path / "results", tmp_path / "reports")
    assert_dead(tmp_path / "reports")


@pytest.mark.usefixtures("no_figures")
def test_the_report_on_measurements_is_dead(tmp_path):
    results = tmp_path / "results"
    measurement_files.write_measurements(results, measurement_files.run())
    for path in results.rglob("*.parquet"):
        write_table(hostile(read_table(path)), path)
    render_measurement(measurement_files.parameters(), results, tmp_path / "reports")
    assert_dead(tmp_path / "reports")
