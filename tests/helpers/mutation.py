"""Files as strangers might make them: sound ones in which a seeded hand has changed something."""

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd

WORDS = (
    *("null", "true", "~", ".nan", ".inf", "-.inf", "1e400", "-1", "0", "1e-400", "9" * 400, "0x" + "f" * 80),
    *(
        "!!int x",
        "!!float x",
        "!!bool x",
        "!!timestamp x",
        "!!binary x",
        "!!set {a}",
        "!!python/name:os.system",
    ),
    *(
        "2020-01-01",
        "&a [*a]",
        "*a",
        "<<: [1]",
        "<<: {a: 1}",
        "? [a]",
        "[" * 80,
        "{" * 80,
        "- " * 80,
        "a: b: c",
    ),
    *(
        '"\\ud800"',
        '"\\UFFFFFFFF"',
        "\x00",
        "\x1b[2J",
        "\ufeff",
        "%YAML 9.9",
        "---",
        "...",
        "|",
        ">",
        "1:2:3",
        "=",
    ),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-320),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "x",
        "12",
        "nan",
        "\x00",
        "\x1b[2J",
        "a" * 5000,
        "../..",
        "ä",
    ),
    *([], {}, [[]], [None], {"a": 1}, [1, "a"]),
)
CELLS: tuple[Any, ...] = (
    *(None, 0, -1, 1, 2**31, 2**40, -(2**62), 0.5, 1e308, -1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf"), "", "x", "12", "3x64x64", "0x0x0", "9999999999x3", "3xax64"),
    *(
        "{}",
        "[]",
        "{",
        "[" * 5000,
        '{"warmup_s": "a"}',
        '{"warmup_s": 1e400}',
        '{"ci_width": []}',
        "null",
        "NaN",
    ),
    *(
        "zoo:",
        "timm:",
        "module:os.system",
        "onnx:/nowhere",
        "\x1b[2J",
        "ok",
        "oom",
        "a" * 3000,
        "=1+1",
        "<script>",
    ),
)


def damaged_bytes(content: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, cut, doubled or added."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        at, n = draw.randrange(len(data) + 1), draw.choice((1, 2, 8, 64, 1000))
        match draw.randrange(5):
            case 0:
                data[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del data[at : at + n]
            case 2:
                data[at:at] = data[at : at + n]
            case 3:
                data[at:at] = draw.randbytes(n)
            case _:
                del data[at:]
    return bytes(data)


def damaged_lines(text: str, draw: random.Random) -> bytes:
    """Lines changed, doubled, moved or lost, values replaced by `WORDS`; now and then bytes."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(lines))
        name, colon, _ = lines[at].partition(": ")
        match draw.randrange(6):
            case 0 | 1:
                lines[at] = f"{name}{colon}{draw.choice(WORDS)}"
            case 2:
                lines.insert(draw.randrange(len(lines)), lines[at])
            case 3:
                del lines[at]
            case 4:
                lines[at] = " " * draw.randrange(6) + lines[at].strip()
            case _:
                lines.insert(at, draw.choice(WORDS))
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return damaged_bytes(content, draw) if draw.random() < 0.2 else content


def damaged_value(value: Any, draw: random.Random) -> Any:
    """Plain data in which one value, wherever it stands, is another, lost, doubled or deep."""
    places = list(_places(value))
    if not places:
        return draw.choice(VALUES)
    holder, key = draw.choice(places)
    match draw.randrange(5):
        case 0 | 1 | 2:
            holder[key] = draw.choice(VALUES)
        case 3:
            del holder[key]
        case _:
            holder[key] = [holder[key]] * 2
    return value


def _places(value: Any) -> Any:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def damaged_json(text: str, draw: random.Random) -> bytes:
    """JSON with another value somewhere, nested beyond measure, or with other bytes."""
    match draw.randrange(4):
        case 0:
            return damaged_bytes(text.encode(), draw)
        case 1 if draw.random() < 0.2:
            return text.replace(":", ":" + "[" * 100_000, 1).encode()
        case _:
            changed = damaged_value(json.loads(text), draw)
            return json.dumps(changed).encode("utf-8", "surrogatepass")


def damaged_table(table: pd.DataFrame, draw: random.Random) -> pd.DataFrame:
    """Cells of a table replaced by `CELLS`, now and then of another type than their column's."""
    table = table.astype(object)
    for _ in range(draw.choice((1, 1, 3, 10))):
        column = draw.choice(list(table.columns))
        rows = [draw.randrange(len(table))] if draw.random() < 0.7 else range(len(table))
        kinds = {type(cell) for cell in table[column]} if draw.random() < 0.9 else {object}
        value = draw.choice([cell for cell in CELLS if isinstance(cell, (*kinds, type(None)))])
        table[column] = [value if row in rows else cell for row, cell in enumerate(table[column])]
    return table


def damage_a_file(folder: Path, draw: random.Random) -> Path:
    """Change one file of a folder and all below it; its path."""
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = path.read_bytes()
    if path.suffix == ".json":
        content = damaged_json(content.decode(), draw)
    elif path.suffix == ".txt" and draw.random() < 0.7:
        content = _other_numbers(content.decode(), draw).encode()
    else:
        content = damaged_bytes(content, draw)
    path.write_bytes(content)
    return path


def _other_numbers(text: str, draw: random.Random) -> str:
    """A line of LightGBM's file whose numbers are others, as many characters long."""
    lines = text.splitlines(keepends=True)
    at = draw.choice([at for at, line in enumerate(lines) if "=" in line])
    name, _, numbers = lines[at].partition("=")
    digit = draw.choice("0129-")
    lines[at] = name + "=" + "".join(digit if letter.isdigit() else letter for letter in numbers)
    return "".join(lines)
