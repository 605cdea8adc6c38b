"""Figures that are taken, into their columns; a row of provenance for each that was offered; conflicts."""

import pandas as pd

from perfseer.hardware.assembly.cards import GPU_FIGURES, MEMORY_FIGURES
from perfseer.hardware.assembly.sourced import RULES, Numbers, Tables
from perfseer.hardware.figures import Peak
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.specs import PEAKS, Specs


def add_published(tables: Tables, chosen: pd.DataFrame, conflicts: pd.DataFrame, numbers: Numbers) -> None:
    """Fill ``peaks``, ``provenance`` and ``conflicts``, and the figures of ``gpus`` and ``memory_specs``.

    Args:
        tables: rows by table; those of accelerators are there.
        chosen: `perfseer.hardware.figures.choose`.
        conflicts: `perfseer.hardware.figures.conflicts`.
        numbers: of accelerators and sources.
    """
    tables["peaks"] = []
    for row in records(chosen[chosen["chosen"]]):
        source = numbers.sources[row["source"]]
        _put(tables, numbers.gpus[row["key"]], row["figure"], float(row["value"]), "observed", source)
    tables["provenance"] = [
        {
            "gpu_id": numbers.gpus[row["key"]],
            "figure": row["figure"],
            "value": float(row["value"]),
            "source_id": numbers.sources[row["source"]],
            "status": "observed",
            "document": row["document"],
            "chosen": bool(row["chosen"]),
            "note": row["note"],
        }
        for row in records(chosen)
    ]
    tables["conflicts"] = numbered(
        [
            {
                "gpu_id": numbers.gpus[row["key"]],
                "chosen_source_id": numbers.sources[row["chosen_source"]],
                "other_source_id": numbers.sources[row["other_source"]],
                **{name: row[name] for name in ("figure", "chosen_value", "other_value", "ratio")},
                **{name: row[name] for name in ("rule", "decision")},
            }
            for row in records(conflicts)
        ]
    )


def add_by_rule(tables: Tables, specs: Specs, intervals: pd.DataFrame, numbers: Numbers) -> None:
    """Add figures that follow by rules or are guessed, with the way they are known; numbers rows.

    Args:
        tables: filled by `add_published`.
        specs: figures with what rules and guesses gave.
        intervals: `perfseer.hardware.imputation.Imputed.intervals`.
        numbers: of accelerators and sources.
    """
    source = numbers.sources[RULES]
    ends = {(row["key"], row["figure"]): row for row in records(intervals.reset_index())}
    for figure in (*PEAKS, *GPU_FIGURES, *MEMORY_FIGURES):
        status = specs.status[figure]
        found = status[status.isin(["derived", "imputed"])]
        values = specs.table.loc[found.index, figure]
        for key, how, value in zip(found.index, found, values, strict=True):
            number = numbers.gpus[str(key)]
            interval = ends.get((key, figure), {})
            _put(tables, number, figure, float(value), str(how), source, interval)
            tables["provenance"].append(
                {
                    "gpu_id": number,
                    "figure": figure,
                    "value": float(value),
                    "source_id": source,
                    "status": str(how),
                    "document": "",
                    "chosen": True,
                    "note": "",
                }
            )
    tables["peaks"], tables["provenance"] = numbered(tables["peaks"]), numbered(tables["provenance"])


def _put(
    tables: Tables,
    number: int,
    figure: str,
    value: float,
    status: str,
    source: int,
    interval: Row | None = None,
) -> None:
    """A figure where it belongs."""
    peak = Peak.of(figure)
    if figure in GPU_FIGURES:
        tables["gpus"][number - 1][figure] = value
    elif figure in MEMORY_FIGURES:
        tables["memory_specs"][number - 1][figure] = int(value) if figure == "memory_bytes" else value
    elif peak is not None:
        ends = interval or {}
        tables["peaks"].append(
            {
                "gpu_id": number,
                "precision": peak.precision,
                "engine": peak.engine,
                "sparse": peak.sparse,
                "accumulate": peak.accumulate,
                "ops_per_s": value,
                "status": status,
                "low": float(ends["low"]) if ends else None,
                "high": float(ends["high"]) if ends else None,
                "source_id": source,
            }
        )
