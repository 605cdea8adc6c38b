"""The report as one web page: the Markdown rendered, a stylesheet embedded, figures by relative link."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from perfseer.errors import require
from perfseer.reporting.tables import is_local, tamed

# Cells with more characters than this may wrap; numbers never do.
WRAP_FROM = 36
STYLESHEET = Path(__file__).with_name("report.css")
_SIBLING = re.compile(r"(\w+)\.md")  # a document in the same folder
_PLACE = re.compile("\0([0-9]+)\0")  # of an inset; no Markdown has the character


@dataclass(frozen=True)
class Inset:
    """What a page has in place of a paragraph of the Markdown, where the page can do more.

    Attributes:
        sentence: the paragraph, as the Markdown has it.
        body: HTML, in which text from outside is escaped.
        style: rules it needs beside those of every page.
        scripts: programs it needs, at the end of the page, in this order. The page allows these and no
            others, and lets nothing be fetched but its figures.
    """

    sentence: str
    body: str
    style: str = ""
    scripts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ends = [
            text for text in ("</script", "<!--") if any(text in script.lower() for script in self.scripts)
        ]
        require(not ends, f"a script of a page holds {ends}, where a browser would take it for ended")


def page(markdown: str, insets: Sequence[Inset] = ()) -> str:
    """Render a Markdown report as a self-contained HTML page (figures stay beside it).

    Args:
        markdown: the report; its first heading becomes the title.
        insets: what stands in place of paragraphs of it.

    Returns:
        The page as text, with a table of contents of second- and third-level headings.

    Raises:
        PerfseerError: the sentence of an inset is not one paragraph of the report.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    entries = _anchor_headings(tokens)
    _wrap_long_cells(tokens)
    _cut_off_strangers(tokens)
    _link_twins(tokens)
    _place(tokens, insets)
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    title = next((text for level, text, _ in entries if level == "h1"), "perfseer")
    body = _PLACE.sub(lambda found: insets[int(found[1])].body, body)
    style = "".join(_once([STYLESHEET.read_text(encoding="utf-8"), *(inset.style for inset in insets)]))
    scripts = _once(script for inset in insets for script in inset.scripts)
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{_policy(scripts)}<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )
    first, rest = body.split("</h1>\n", 1) if "</h1>\n" in body else ("", body)
    heading = f"{first}</h1>\n" if first else ""
    programs = "".join(f"<script>{script}</script>\n" for script in scripts)
    return f"{head}{heading}{_contents(entries)}{rest}{programs}</body>\n</html>\n"


def slug(text: str) -> str:
    """Anchor of a heading: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"


def _anchor_headings(tokens: list[Token]) -> list[tuple[str, str, str]]:
    """Give every heading an id; return (tag, text, id) of each, ids unique."""
    entries: list[tuple[str, str, str]] = []
    used: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = inline.content.replace("`", "")
        base = slug(text)
        used[base] = used.get(base, 0) + 1
        anchor = base if used[base] == 1 else f"{base}-{used[base]}"
        token.attrSet("id", anchor)
        entries.append((token.tag, text, anchor))
    return entries


def _wrap_long_cells(tokens: list[Token]) -> None:
    for token, inline in pairwise(tokens):
        if token.type == "td_open" and len(inline.content) > WRAP_FROM:
            token.attrSet("class", "wide")


def _cut_off_strangers(tokens: list[Token]) -> None:
    """Images and links that lead outside become their own text: a page asks nobody for anything."""
    for parent in tokens:
        strange = 0
        for token in parent.children or ():
            target = str(token.attrGet("src" if token.type == "image" else "href") or "")
            if token.type == "image" and not is_local(target):
                token.type, token.tag, token.content, token.children = "text", "", token.content, None
            elif token.type == "link_open" and not is_local(target):
                token.hidden, token.type, token.tag, strange = True, "text", "", strange + 1
            elif token.type == "link_close" and strange:  # links do not lie within each other
                token.hidden, token.type, token.tag, strange = True, "text", "", strange - 1


def _link_twins(tokens: list[Token]) -> None:
    """Links to other documents lead to their web pages."""
    for token in (child for parent in tokens for child in parent.children or ()):
        twin = _SIBLING.fullmatch(str(token.attrGet("href") or ""))
        if token.type == "link_open" and twin:
            token.attrSet("href", f"{twin[1]}.html")


def _place(tokens: list[Token], insets: Sequence[Inset]) -> None:
    """Put a mark where each inset stands, instead of its sentence."""
    for number, inset in enumerate(insets):
        sentence = " ".join(tamed(inset.sentence).split())
        places = [
            i
            for i, (token, inline) in enumerate(pairwise(tokens))
            if token.type == "paragraph_open" and " ".join(inline.content.split()) == sentence
        ]
        require(
            len(places) == 1,
            f"{len(places)} paragraphs of the report are {sentence!r}, in whose place the page has something "
            "else; expected one",
        )
        tokens[places[0] : places[0] + 3] = [Token("html_block", "", 0, content=f"\0{number}\0\n")]


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _policy(scripts: Sequence[str]) -> str:
    """What a page with programs may do: run these, show its figures, and nothing else."""
    if not scripts:
        return ""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{rules}">\n'


def _contents(entries: list[tuple[str, str, str]]) -> str:
    lines = [
        f'<li class="{tag}"><a href="#{anchor}">{escape(text)}</a></li>'
        for tag, text, anchor in entries
        if tag in ("h2", "h3")
    ]
    return '<nav aria-label="Contents"><ul>\n' + "\n".join(lines) + "\n</ul></nav>\n"
