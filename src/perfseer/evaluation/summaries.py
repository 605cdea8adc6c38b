"""Summaries: which records a predictor has, with their digests — what a report is made from."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perfseer.data.files import atomic
from perfseer.digests import file_digest
from perfseer.errors import require
from perfseer.evaluation.records import read_record

SCHEMA_VERSION = 1


def summarise(paths: Sequence[Path]) -> dict[str, Any]:
    """List the records of one predictor.

    Args:
        paths: its record.json files, any order.

    Returns:
        Schema version, predictor, and per record: split, seed, digest of the file, MAPE per target [%].

    Raises:
        PerfseerError: no records, one is invalid, or they belong to several predictors.
    """
    require(bool(paths), "no records given; `perfseer train` writes them")
    records = [(path, read_record(path)) for path in paths]
    names = sorted({record.predictor for _, record in records})
    require(len(names) == 1, f"records of several predictors {names} given, expected those of one")
    listed = [
        {
            "split": record.split,
            "seed": record.seed,
            "digest": file_digest(path),
            "mape_pct": {target: measures["mape_pct"].value for target, measures in record.metrics.items()},
        }
        for path, record in records
    ]
    listed.sort(key=lambda entry: (entry["split"], entry["seed"]))
    return {"schema_version": SCHEMA_VERSION, "predictor": names[0], "records": listed}


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write a summary as JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
