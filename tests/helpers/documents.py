"""Code that documents print, to be executed as printed."""

import re

from tests.helpers.places import ROOT


def code_blocks(document: str) -> dict[str, list[str]]:
    """Blocks of a document below ``docs`` by their language, in order."""
    blocks: dict[str, list[str]] = {}
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        blocks.setdefault(language, []).append(code)
    return blocks
