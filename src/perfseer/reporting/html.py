"""The report as one web page: the Markdown rendered, a stylesheet embedded, figures by relative link."""

import re
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from perfseer.reporting.tables import is_local

# Cells with more characters than this may wrap; numbers never do.
WRAP_FROM = 36
STYLESHEET = Path(__file__).with_name("report.css")
_SIBLING = re.compile(r"(\w+)\.md")  # a document in the same folder


def page(markdown: str) -> str:
    """Render a Markdown report as a self-contained HTML page (figures stay beside it).

    Args:
        markdown: the report; its first heading becomes the title.

    Returns:
        The page as text, with a table of contents of second- and third-level headings.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    entries = _anchor_headings(tokens)
    _wrap_long_cells(tokens)
    _cut_off_strangers(tokens)
    _link_twins(tokens)
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    title = next((text for level, text, _ in entries if level == "h1"), "perfseer")
    style = STYLESHEET.read_text(encoding="utf-8")
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )
    first, rest = body.split("</h1>\n", 1) if "</h1>\n" in body else ("", body)
    heading = f"{first}</h1>\n" if first else ""
    return f"{head}{heading}{_contents(entries)}{rest}</body>\n</html>\n"


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


def _contents(entries: list[tuple[str, str, str]]) -> str:
    lines = [
        f'<li class="{tag}"><a href="#{anchor}">{escape(text)}</a></li>'
        for tag, text, anchor in entries
        if tag in ("h2", "h3")
    ]
    return '<nav aria-label="Contents"><ul>\n' + "\n".join(lines) + "\n</ul></nav>\n"
