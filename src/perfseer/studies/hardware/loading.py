"""Reading the study from the hardware database."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from perfseer.hardware import schema
from perfseer.hardware.gpu_names import EXACT, SAME
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.mlperf.closed_names import closed_names
from perfseer.hardware.quality import check_all
from perfseer.hardware.queries import read_specs, table_frame
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.storage import connected
from perfseer.studies.hardware.study import HardwareStudy
from perfseer.validation import section

# Below the results folder.
DATABASE = Path("hardware") / "hardware.sqlite"


def load(parameters: Mapping[str, Any], results: Path) -> HardwareStudy:
    """The study of ``hardware/hardware.sqlite`` below the results.

    Args:
        parameters: raw mapping of params.yaml; section ``hardware``.
        results: folder the verbs wrote to.

    Raises:
        PerfseerError: the section is missing or at fault, there is no database, or it is not one of ours.
    """
    settings = section(HardwareSettings, parameters, "hardware")
    with connected(results / DATABASE) as connection:
        specs = read_specs(connection)
        keys = table_frame(connection, schema.gpus).set_index("id")["key"]
        sources = table_frame(connection, schema.sources)
        source = sources.set_index("id")["name"]
        values = table_frame(connection, schema.metric_values)
        tiers = table_frame(connection, schema.tiers)
        quarantine = table_frame(connection, schema.quarantine)
        prices = table_frame(connection, schema.prices).dropna(subset="gpu_id")
        benchmarks = table_frame(connection, schema.benchmarks)
        rows = _results(connection, keys, benchmarks)
        values["key"], tiers["key"], prices["key"] = (
            frame["gpu_id"].map(keys) for frame in (values, tiers, prices)
        )
        quality, _ = check_all(specs, settings.quality)
        return HardwareStudy(
            specs=specs,
            metrics=_wide(values, "value", specs.table.index).astype("float64"),
            metric_status=_wide(values, "status", specs.table.index).astype(object).fillna("missing"),
            settings=settings,
            tiers=tiers.set_index("key").drop(columns="gpu_id"),
            ledger=sources.drop(columns="id"),
            quarantine=quarantine.assign(source=quarantine["source_id"].map(source)),
            conflicts=_conflicts(connection, keys, source),
            results=rows,
            names=_spellings(table_frame(connection, schema.aliases), source),
            prices=prices[["key", "kind", "usd", "date"]].reset_index(drop=True),
            quality=quality,
            work=_work(rows, benchmarks),
            closed=_closed(connection),
        )


def _wide(values: pd.DataFrame, column: str, keys: "pd.Index[Any]") -> pd.DataFrame:
    """A row per key, a column per metric of the registry."""
    wide = values.set_index(["key", "metric"])[column].unstack()  # noqa: PD010 (texts are no numbers)
    return wide.reindex(index=keys, columns=list(METRICS))


def _conflicts(connection: Connection, keys: "pd.Series[Any]", source: "pd.Series[Any]") -> pd.DataFrame:
    rows = table_frame(connection, schema.conflicts)
    return rows.assign(
        key=rows["gpu_id"].map(keys),
        chosen_source=rows["chosen_source_id"].map(source),
        other_source=rows["other_source_id"].map(source),
    )


def _results(connection: Connection, keys: "pd.Series[Any]", benchmarks: pd.DataFrame) -> pd.DataFrame:
    """Results that were measured, each once; those of several kinds of accelerators have no key."""
    systems = table_frame(connection, schema.systems).set_index("id")
    inside = table_frame(connection, schema.system_accelerators)
    alone = inside.drop_duplicates("system_id", keep=False).set_index("system_id")["gpu_id"].map(keys)
    rows = table_frame(connection, schema.results)
    rows = rows[~(rows["duplicate"].astype(bool) | rows["inferred"].astype(bool))]
    rows = rows.merge(systems, left_on="system_id", right_index=True)
    tasks = benchmarks.set_index("id")
    task = rows["benchmark_id"]
    # A benchmark that counts tokens today counted samples once, and a latency is no throughput.
    counted = rows["valid"].astype(bool) & (rows["metric"] == task.map(tasks["metric"]))
    total = rows["total_accelerators"].astype("float64")
    # What differs in accuracy or version differs in what is asked.
    version = tasks["version"].replace("1", "")
    parts = (task.map(tasks["name"]), task.map(version), rows["accuracy_target"])
    named = [" ".join(filter(None, of_row)) for of_row in zip(*parts, strict=True)]
    return rows.assign(
        key=rows["system_id"].map(alone).fillna(""),
        n_accelerators=total,
        benchmark=named,
        family=task.map(tasks["family"]),
        per_accelerator=np.where(counted, rows["value"] / total, np.nan),
        mig=rows["mig"] != "",
        vgpu=rows["vgpu"] != "",
        capped=rows["power_cap_w"].notna(),
    ).reset_index(drop=True)


def _closed(connection: Connection) -> tuple[int, int]:
    """Closed results that name an accelerator, and how many of them are of one that is identified."""
    tables = (schema.systems, schema.system_accelerators, schema.results)
    rounds, _ = closed_names({table.name: table_frame(connection, table) for table in tables})
    return int(rounds["named"].sum()), int(rounds["identified"].sum())


def _work(rows: pd.DataFrame, benchmarks: pd.DataFrame) -> dict[str, float]:
    """Benchmark as results name it → operations of one sample or token, where they are known."""
    flops = rows["benchmark_id"].map(benchmarks.set_index("id")["model_flops"].astype("float64"))
    known = rows.assign(flops=flops).dropna(subset="flops").drop_duplicates("benchmark")
    return dict(zip(known["benchmark"].astype(str), known["flops"], strict=True))


def _spellings(aliases: pd.DataFrame, source: "pd.Series[Any]") -> pd.DataFrame:
    """By source: spellings, how many are identified, how many tell an architecture; rows that write them."""
    rows = aliases.assign(
        source=aliases["source_id"].map(source),
        mapped=aliases["gpu_id"].notna(),
        told=aliases["architecture"] != "",
        exact=aliases["how"].str.startswith((EXACT, SAME)),
    )
    # A spelling that names several accelerators stands once for each.
    each = rows.groupby(["source", "spelling", "context"], sort=True).agg(
        mapped=("mapped", "any"),
        n_rows=("n_rows", "max"),
        told=("told", "any"),
        exact=("exact", "any"),
    )
    each["n_rows_mapped"] = each["n_rows"].where(each["mapped"], 0)
    by_source = each.groupby(level="source", sort=True)
    return by_source.agg(
        n_named=("mapped", "size"),
        n_mapped=("mapped", "sum"),
        n_exact=("exact", "sum"),
        n_architecture=("told", "sum"),
        n_rows=("n_rows", "sum"),
        n_rows_mapped=("n_rows_mapped", "sum"),
    ).reset_index()
