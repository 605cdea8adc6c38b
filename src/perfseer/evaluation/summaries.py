"""Summaries: the records of one predictor in one small file, which a workflow can depend on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perfseer.data.files import write_json
from perfseer.digests import file_digest
from perfseer.errors import require
from perfseer.evaluation.records import SCHEMA_VERSION, read_record


def summarise(paths: Sequence[Path]) -> dict[str, Any]:
    """The records of one predictor with their digests and MAPE: what a report is made from.

    Args:
        paths: of record.json files, all of one predictor.

    Raises:
        PerfseerError: no path, an invalid record, or records of more than one predictor.
    """
    records = {path: read_record(path) for path in paths}
    names = sorted({record.predictor for record in records.values()})
    require(len(names) == 1, f"a summary lists the records of one predictor, got {names or 'no record'}")
    return {
        "schema_version": SCHEMA_VERSION,
        "predictor": names[0],
        "records": [
            {
                "split": record.split,
                "seed": record.seed,
                "digest": file_digest(path),
                "digests": record.digests.model_dump(),
                "mape_pct": {name: scores["mape_pct"].value for name, scores in record.metrics.items()},
            }
            for path, record in sorted(records.items(), key=lambda item: (item[1].split, item[1].seed))
        ],
    }


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write a summary (`summarise`) as JSON, atomically."""
    write_json(path, dict(summary))
