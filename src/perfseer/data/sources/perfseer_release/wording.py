"""Names that strangers chose, made fit to be shown."""

_LENGTH = 200


def printable(text: object) -> str:
    """``text`` on one line of at most 200 characters, without control characters, which rewrite terminals."""
    shown = str(text)
    cleaned = "".join(sign if sign.isprintable() else "\ufffd" for sign in shown[:_LENGTH])
    return cleaned if len(shown) <= _LENGTH else f"{cleaned}…"
