"""Reading rendered Markdown and printed sentences back."""

import re


def table_after(text, heading):
    """Rows of the first table after a heading."""
    lines = text[text.index(heading) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def rows_after(text, heading, key=0):
    """The same by one column, without the two lines of the header."""
    return {row[key]: row[:key] + row[key + 1 :] for row in table_after(text, heading)[2:]}


def rows_of(table):
    """The rows of a table alone, by its first column."""
    return rows_after(table, "")


def numbers(text):
    """The numbers of a sentence, in their order; ``2,476`` is one."""
    found = re.findall(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", text)
    return [float(number.replace(",", "")) for number in found]


def counts(text):
    """What a collector's summary counts: ``4 configurations (3 ok, 1 oom), 2 of them measured now; …``."""
    found = re.search(r"(\d+) configurations \((.*?)\), (\d+) of them measured now", " ".join(text.split()))
    assert found, text
    status = {name: int(count) for count, name in (part.split(" ") for part in found[2].split(", "))}
    return {"configurations": int(found[1]), **status, "now": int(found[3])}
