"""The table of a page that people search: what is written into the page."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.provenance import closure
from perfseer.reporting.document import publish
from perfseer.reporting.explorer import Explorer, ExplorerColumn, figure
from perfseer.reporting.html import Inset, page
from perfseer.reporting.outputs import Document
from tests.helpers.explorers import COLUMNS, SENTENCE, explorer, few

REPORT = f"# Report\n\nBefore.\n\n{SENTENCE}\n\nAfter, with | no table.\n"


class Read(HTMLParser):
    """Tags with their attributes, and the text of cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("td", "th", "script") else self._inside
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        if self._inside in ("td", "th"):
            self.rows[-1][-1] += data
        elif self._inside == "script":
            self.scripts[-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def read(rows: pd.DataFrame | None = None) -> Read:
    return Read(page(REPORT, [explorer(few() if rows is None else rows).inset()]))


def test_a_page_without_an_inset_has_neither_program_nor_policy():
    html = page(REPORT)
    assert "<script" not in html
    assert "http-equiv" not in html
    assert "explorer" not in html
    assert SENTENCE in html


def test_the_whole_table_stands_in_the_page_without_a_program():
    rows = read().rows
    assert rows[0] == [c.title + c.unit for c in COLUMNS]
    assert rows[1:4] == [
        ["Alpha 9", "Ayla", "One", "Desktop", "2018", "9.50", "8", "75"],
        ["Alpha 10", "Ayla", "One", "Datacenter", "2020", "100", "16", "250"],
        ["Beta", "Borea", "Two", "Datacenter", "2022", "1,979", "80", "700"],
    ]
    assert rows[4] == ["Gamma", "Borea", "", "Mobile", "", "", "4", ""]
    assert len(rows) == 7


def test_numbers_keep_their_value_beside_what_is_shown():
    values = [float(attrs["data-value"]) for attrs in read().of("td") if attrs.get("data-value")]
    wanted = few()[[c.name for c in COLUMNS if c.kind == "number"]].to_numpy().ravel()
    assert values == pytest.approx([value for value in wanted if value == value], rel=1e-11)


def test_choices_are_the_texts_with_their_counts():
    found = read()
    options = [attrs["value"] for attrs in found.of("option")]
    assert options == [
        *("", "Ayla", "Borea", "Cyra"),
        *("", "One", "Three", "Two"),
        *("", "Datacenter", "Desktop", "Mobile", "Workstation"),
    ]
    assert "Ayla (3)</option>" in page(REPORT, [explorer(few()).inset()])


def test_bounds_stand_as_examples():
    fields = [attrs for attrs in read().of("input") if attrs["type"] == "number"]
    assert [(f["data-column"], f["data-bound"], f["placeholder"]) for f in fields[:4]] == [
        ("year", "min", "2018"),
        ("year", "max", "2024"),
        ("fp16_tflops", "min", "0.250"),
        ("fp16_tflops", "max", "1,979"),
    ]


def test_the_policy_allows_the_programs_of_the_page_and_nothing_else():
    found = read()
    policy = next(a["content"] for a in found.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in found.scripts]
    assert len(digests) == 2
    assert re.search(r"script-src ([^;]*);", policy)[1].split() == [
        f"'sha256-{digest}'" for digest in digests
    ]
    assert policy.startswith("default-src 'none';")
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    assert not [attrs for tag in ("script", "link", "iframe") for attrs in found.of(tag) if attrs]
    assert "Permission is hereby granted" in found.scripts[0]


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</table></section><!-- <script>",
    '"><b onclick="alert(1)">',
    "&lt;img src=x onerror=alert(1)&gt;",
    "\0001\0",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_text_wherever_they_stand(text):
    rows = few()
    rows.loc[0, ["name", "vendor"]] = text
    column = ExplorerColumn("name", text, text, filter="choice", help=text)
    whole = Explorer("accelerators", text, SENTENCE, [column, *COLUMNS[1:]], rows).inset()
    plain = read()
    found = Read(page(REPORT, [whole]))
    shown = text.replace("\0", "\\u0000")
    assert found.rows[1][:2] == [shown, shown]
    assert [tag for tag, _ in found.tags if tag in ("script", "img", "b", "section", "table")] == [
        tag for tag, _ in plain.tags if tag in ("script", "img", "b", "section", "table")
    ]
    assert shown in [attrs["value"] for attrs in found.of("option")]
    assert found.of("section")[0]["data-things"] == shown


def test_markdown_has_the_sentence_and_its_twin_the_table(tmp_path):
    insets = [explorer(few()).inset()]
    document = Document("hardware", "H")
    markdown, twin = publish(document, REPORT, tmp_path, figures={}, tables={}, insets=insets).paths
    assert markdown.read_text() == REPORT
    assert SENTENCE not in twin.read_text()
    assert 'id="explorer-accelerators"' in twin.read_text()
    before = twin.read_bytes()
    publish(document, REPORT, tmp_path, figures={}, tables={}, insets=[explorer(few()).inset()])
    assert twin.read_bytes() == before


def test_a_sentence_may_be_wrapped_and_tamed():
    inset = Inset("All <stand> in the page, see http://x.", "<p>here</p>")
    wrapped = "# T\n\nAll &lt;stand> in the\npage, see http&#58;//x.\n"
    assert "<p>here</p>" in page(wrapped, [inset])


@pytest.mark.parametrize("text", ["# T\n\nOther.\n", f"# T\n\n{SENTENCE}\n\n{SENTENCE}\n", f"# {SENTENCE}\n"])
def test_a_sentence_that_is_not_one_paragraph_is_refused(text):
    with pytest.raises(PerfseerError, match="expected one"):
        page(text, [explorer(few()).inset()])


def test_programs_and_styles_of_several_tables_stand_once():
    second = Explorer("others", "others", "Others stand there.", COLUMNS, few()).inset()
    found = Read(page(f"{REPORT}\nOthers stand there.\n", [explorer(few()).inset(), second]))
    assert len(found.scripts) == 2
    assert [attrs["id"] for attrs in found.of("section")] == ["explorer-accelerators", "explorer-others"]


@pytest.mark.parametrize("script", ["a</script>", "a</SCRIPT >", "<!-- a"])
def test_a_program_that_would_end_too_soon_is_refused(script):
    with pytest.raises(PerfseerError, match="script"):
        Inset("S.", "", scripts=(script,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "q"}, "none of q, sort"),
        ({"name": "A b"}, "'A b'"),
        ({"filter": "range"}, "'range'"),
        ({"kind": "number", "filter": "choice"}, "'choice'"),
        ({"kind": "date"}, "'date'"),
    ],
)
def test_columns_that_cannot_be_are_refused(arguments, said):
    with pytest.raises(PerfseerError, match=said):
        ExplorerColumn(**{"name": "a", "title": "A", **arguments})


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("Big Table", COLUMNS, "Big Table"),
        ("a", (), "no column"),
        ("a", (COLUMNS[0], COLUMNS[0]), "twice"),
        ("a", (ExplorerColumn("absent", "A"),), "absent"),
    ],
)
def test_explorers_that_cannot_be_are_refused(name, columns, said):
    with pytest.raises(PerfseerError, match=said):
        Explorer(name, "things", SENTENCE, columns, few())


@pytest.mark.parametrize("value", ["12 W", float("inf"), float("-inf")])
def test_a_column_of_numbers_holds_numbers(value):
    rows = few().astype({"tdp_w": object})
    rows.loc[1, "tdp_w"] = value
    with pytest.raises(PerfseerError, match="tdp_w"):
        explorer(rows).inset()


def test_what_is_missing_is_empty_however_it_is_missing():
    rows = few().astype({"vendor": object, "tdp_w": object})
    rows.loc[0, "vendor"], rows.loc[1, "vendor"] = None, float("nan")
    rows.loc[0, "tdp_w"] = None
    found = read(rows).rows
    assert [row[1] for row in found[1:3]] == ["", ""]
    assert found[1][-1] == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(80.0, "80"), (1979.04, "1,979"), (0.25, "0.250"), (0.0, "0"), (-2.0, "-2"), (1e16, "1.00e+16")],
)
def test_whole_numbers_are_shown_in_full(value, shown):
    assert figure(value) == shown


def test_an_empty_table_is_a_table():
    found = read(few().iloc[:0])
    assert len(found.rows) == 1


def test_only_who_uses_it_depends_on_it():
    """Other reports need not be written again when the explorer changes."""
    files = {path.name for path in closure("perfseer.reporting.document")}
    assert "explorer.py" not in files
    assert {"explorer.js", "explorer.css", "dataTables.min.js"} <= {
        path.name for path in closure("perfseer.reporting.explorer")
    }
