"""Tables ``sources`` and ``quarantine``: where everything is from, and what became of every row."""

from collections.abc import Mapping

from perfseer.digests import digest
from perfseer.hardware.assembly.sourced import RULES, Sourced, Tables
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.source import HardwareSource

_SHOWN = 200  # characters of a value that was refused


def add_ledger(tables: Tables, sourced: Mapping[str, Sourced]) -> dict[str, int]:
    """Fill both tables.

    Returns:
        Name of each source → its number; `RULES` is the last.
    """
    ids = {name: number for number, name in enumerate([*sorted(sourced), RULES], start=1)}
    tables["sources"] = [*(_source(ids[name], sourced[name]) for name in sorted(sourced)), _rules(ids[RULES])]
    tables["quarantine"] = numbered(
        [row for name in sorted(sourced) for row in _refused(ids[name], sourced[name])]
    )
    return ids


def _source(number: int, given: Sourced) -> Row:
    n_read, n_loaded = (given.reading.n_read, len(given.rows)) if given.reading else (0, 0)
    return {
        "id": number,
        "name": given.kind.name,
        "title": given.kind.title,
        "url": given.kind.url,
        "licence": given.kind.licence,
        "sha256": _sha256(given.kind),
        "published": given.kind.published,
        "present": given.reading is not None,
        "absent_reason": given.absent,
        "n_read": n_read,
        "n_loaded": n_loaded,
        "n_quarantined": n_read - n_loaded,
    }


def _rules(number: int) -> Row:
    return {
        "id": number,
        "name": RULES,
        "title": "figures that follow from others by rules that hold",
        "url": "docs/hardware.md",
        "licence": "MIT",
        "sha256": "",
        "published": "",
        "present": True,
        "absent_reason": "",
        "n_read": 0,
        "n_loaded": 0,
        "n_quarantined": 0,
    }


def _sha256(kind: type[HardwareSource]) -> str:
    """Of its file; of several, of their digests."""
    digests = [file.sha256 or "" for file in kind.files]
    return digests[0] if len(digests) == 1 else digest(digests, 64) if digests else ""


def _refused(number: int, given: Sourced) -> list[Row]:
    return [
        {
            "source_id": number,
            "row": int(row["row"]),
            "column": str(row["column"]),
            "value": str(row["value"])[:_SHOWN],
            "reason": str(row["reason"]),
        }
        for row in (records(given.reading.refused) if given.reading else [])
    ]
