"""Reading rendered Markdown back."""


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
