"""Text from outside made harmless where it is shown: on a terminal, in a table, in a spreadsheet.

Names of models, operators and devices, reasons and environments come from files that strangers wrote.
"""

import json
import re

# What moves a cursor, hides, or turns the direction of what is written: C0 and C1 controls but for tab and
# newline, line separators, marks and embeddings of direction, invisible characters, and halves of characters,
# which no encoding has.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# A spreadsheet takes a cell that begins so for a formula; the last four are their wide forms.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def plain(text: str) -> str:
    r"""``text`` with every character that acts instead of being shown written as ``\u001b``.

    Tabs and newlines stay. Within JSON text the result means the same.
    """
    return _ACTING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`plain`, and without line breaks: nothing in it can pass for a line of its own."""
    return plain(" ".join(text.split("\n")))


def cell(value: object) -> object:
    """A cell of CSV: text that a spreadsheet would take for a formula begins with an apostrophe.

    Numbers, and text that is a number, stay as they are.
    """
    if not isinstance(value, str):
        return value
    text = plain(value)
    acts = text.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\n"))
    return f"'{text}" if acts and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
