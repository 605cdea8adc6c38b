"""File names of exported configurations: ``bs<batch>_<family>-<architecture>``.

The published names start with ``bs1`` to ``bs256`` (so the record of the live reproduction); ours do too, for
whoever groups by that. Read back, a name gives family and architecture, which the graphs do not hold.
"""

import re
from urllib.parse import quote, unquote

_STEM = re.compile(r"bs([1-9][0-9]*)_([^-/]+)-([^/]+)")
# quote() leaves these alone, but they separate the parts here.
_SEPARATORS = {"-": "%2D", "_": "%5F"}


def stem(family: str, architecture: str, batch_size: int) -> str:
    """File name without its ending; letters that a path or another part could be taken for are escaped.

    >>> stem("vgg+resnet", "8b8bff563a98", 8)
    'bs8_vgg_resnet-8b8bff563a98'
    """
    styles = "_".join(_quoted(style) for style in family.split("+"))
    return f"bs{batch_size}_{styles}-{quote(architecture, safe='')}"


def parse_stem(text: str) -> tuple[str, str, int] | None:
    """Family, architecture and batch size of a name that `stem` made; None of any other.

    >>> parse_stem("bs8_vgg_resnet-8b8bff563a98"), parse_stem("bs8_1234")
    (('vgg+resnet', '8b8bff563a98', 8), None)
    """
    found = _STEM.fullmatch(text)
    if found is None:
        return None
    batch_size, styles, architecture = found.groups()
    parts = "+".join(map(unquote, styles.split("_"))), unquote(architecture), int(batch_size)
    return parts if stem(*parts) == text else None


def _quoted(style: str) -> str:
    text = quote(style, safe="")
    for letter, code in _SEPARATORS.items():
        text = text.replace(letter, code)
    return text
