"""What is asked of the database, by name: each question is one statement that an index answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select, func, select
from sqlalchemy import Table as SqlTable

from perfseer.hardware import schema
from perfseer.hardware.specs import IDENTITY, NUMBERS, Specs


@dataclass(frozen=True)
class Query:
    """A question by name.

    Attributes:
        name: of the question.
        asks: what it asks, in a line.
        statement: takes the named values it is asked with, and gives the statement.
        example: values to try it with.
    """

    name: str
    asks: str
    statement: Callable[..., Select[Any]]
    example: Mapping[str, Any]

    def frame(self, connection: Connection, **values: Any) -> pd.DataFrame:
        """The answer, a row for each line of it."""
        return pd.read_sql(self.statement(**values), connection)


def accelerator(key: str) -> Select[Any]:
    """One accelerator with its memory."""
    gpus, memory = schema.gpus, schema.memory_specs
    return (
        select(gpus, memory.c.memory_bytes, memory.c.bandwidth_bytes_per_s, memory.c.bus_bits, memory.c.type)
        .outerjoin(memory, memory.c.gpu_id == gpus.c.id)
        .where(gpus.c.key == key)
    )


def peaks_of(key: str) -> Select[Any]:
    """Peak rates of one accelerator, each with its source."""
    return _of(schema.peaks, key, schema.sources.c.name.label("source")).join(schema.sources)


def figures_of(key: str) -> Select[Any]:
    """Every figure of every source about one accelerator."""
    return _of(schema.provenance, key, schema.sources.c.name.label("source")).join(schema.sources)


def conflicts_of(key: str) -> Select[Any]:
    """Figures of one accelerator on which sources differ."""
    chosen, other = schema.sources.alias("chosen"), schema.sources.alias("other")
    conflicts = schema.conflicts
    return (
        _of(conflicts, key, chosen.c.name.label("chosen_source"), other.c.name.label("other_source"))
        .join(chosen, conflicts.c.chosen_source_id == chosen.c.id)
        .join(other, conflicts.c.other_source_id == other.c.id)
    )


def prices_of(key: str) -> Select[Any]:
    """Prices of one accelerator."""
    return _of(schema.prices, key, schema.sources.c.name.label("source")).join(schema.sources)


def scores_of(key: str) -> Select[Any]:
    """Graphics and compute scores of one accelerator."""
    return _of(schema.graphics_scores, key, schema.sources.c.name.label("source")).join(schema.sources)


def metrics_of(key: str) -> Select[Any]:
    """Derived metrics of one accelerator."""
    return _of(schema.metric_values, key)


def ranking(metric: str, limit: int = 20) -> Select[Any]:
    """Accelerators by one derived metric, the greatest first."""
    values, gpus = schema.metric_values, schema.gpus
    return (
        select(gpus.c.key, gpus.c.name, values.c.value, values.c.low, values.c.high, values.c.status)
        .join(gpus, values.c.gpu_id == gpus.c.id)
        .where(values.c.metric == metric)
        .order_by(values.c.value.desc(), gpus.c.key)
        .limit(limit)
    )


def results_of(key: str) -> Select[Any]:
    """Closed results of systems with one accelerator."""
    gpus, systems, results = schema.gpus, schema.systems, schema.results
    inside = schema.system_accelerators
    return (
        select(
            systems.c.round,
            systems.c.submitter,
            schema.benchmarks.c.name.label("benchmark"),
            results.c.scenario,
            results.c.metric,
            results.c.value,
            systems.c.total_accelerators,
            results.c.power_w,
            results.c.location,
        )
        .select_from(gpus)
        .join(inside, inside.c.gpu_id == gpus.c.id)
        .join(systems, systems.c.id == inside.c.system_id)
        .join(results, results.c.system_id == systems.c.id)
        .join(schema.benchmarks, schema.benchmarks.c.id == results.c.benchmark_id)
        .where(gpus.c.key == key, systems.c.division == "closed", results.c.duplicate.is_(False))
        .order_by(systems.c.round, schema.benchmarks.c.name, results.c.scenario, results.c.location)
    )


def task_results(benchmark: str, scenario: str) -> Select[Any]:
    """Results of one task in one scenario, by accelerator."""
    systems, results, benchmarks = schema.systems, schema.results, schema.benchmarks
    inside, gpus = schema.system_accelerators, schema.gpus
    return (
        select(systems.c.round, systems.c.submitter, gpus.c.key, results.c.metric, results.c.value)
        .select_from(benchmarks)
        .join(results, results.c.benchmark_id == benchmarks.c.id)
        .join(systems, systems.c.id == results.c.system_id)
        .join(inside, inside.c.system_id == systems.c.id)
        .join(gpus, gpus.c.id == inside.c.gpu_id)
        .where(benchmarks.c.name == benchmark, results.c.scenario == scenario)
    )


QUERIES: tuple[Query, ...] = (
    Query("accelerator", "one accelerator with its memory", accelerator, {"key": "h100-sxm"}),
    Query("peaks", "its peak rates, each with its source", peaks_of, {"key": "h100-sxm"}),
    Query("figures", "every figure of every source about it", figures_of, {"key": "h100-sxm"}),
    Query("conflicts", "figures on which sources differ", conflicts_of, {"key": "mi300x"}),
    Query("prices", "its prices", prices_of, {"key": "a100-sxm-80gb"}),
    Query("scores", "its graphics and compute scores", scores_of, {"key": "rtx3090"}),
    Query("metrics", "its derived metrics", metrics_of, {"key": "h100-sxm"}),
    Query("ranking", "accelerators by a derived metric", ranking, {"metric": "tflops_per_watt_fp16"}),
    Query("results", "closed results of systems with it", results_of, {"key": "t4"}),
    Query(
        "task",
        "results of one task in one scenario",
        task_results,
        {"benchmark": "bert", "scenario": "Server"},
    ),
)


def _of(table: SqlTable, key: str, *further: Any) -> Select[Any]:
    """Rows of a table that belong to one accelerator, in the order of their keys."""
    columns = [column for column in table.columns if not column.foreign_keys and column.name != "id"]
    order = list(table.primary_key.columns)
    return (
        select(*columns, *further)
        .select_from(table)
        .join(schema.gpus, table.c.gpu_id == schema.gpus.c.id)
        .where(schema.gpus.c.key == key)
        .order_by(*order)
    )


def table_frame(connection: Connection, table: SqlTable) -> pd.DataFrame:
    """A whole table."""
    return pd.read_sql(select(table).order_by(*table.primary_key.columns), connection)


# Figures of `Specs` that lie in columns of their own: table → columns.
_IN_GPUS = (
    *("year", "tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores"),
    *("base_clock_hz", "boost_clock_hz", "l2_bytes", "link_bytes_per_s", "dies_per_card"),
)
_IN_MEMORY = ("memory_bytes", "bandwidth_bytes_per_s", "bus_bits")
# Peak of `Specs` → precision and engine; dense, and accumulating in FP32 where the source says how.
SPEC_PEAKS: dict[str, tuple[str, str]] = {
    "fp64_flops": ("fp64", "vector"),
    "fp32_flops": ("fp32", "vector"),
    "fp16_vector_flops": ("fp16", "vector"),
    "tf32_flops": ("tf32", "tensor"),
    "fp16_flops": ("fp16", "tensor"),
    "bf16_flops": ("bf16", "tensor"),
    "int8_ops": ("int8", "tensor"),
    "fp8_flops": ("fp8", "tensor"),
    "fp4_flops": ("fp4", "tensor"),
}


def read_specs(connection: Connection) -> Specs:
    """All accelerators as one wide table."""
    base = _identity(connection)
    numbers = pd.DataFrame(np.nan, index=base.index, columns=list(NUMBERS), dtype=float)
    status = pd.DataFrame("missing", index=base.index, columns=list(NUMBERS), dtype=object)
    for name in (*_IN_GPUS, *_IN_MEMORY):
        numbers[name] = base[name].astype(float)
    numbers["process_nm"] = base["process_nm"].astype(float)
    _add_peaks(connection, base, numbers, status)
    _add_scores(connection, base, numbers)
    _add_prices(connection, base, numbers)
    given = numbers.notna() & (status == "missing")
    status = status.mask(given, "observed")
    return Specs(pd.concat([base[list(IDENTITY)], numbers], axis=1), status)


def _identity(connection: Connection) -> pd.DataFrame:
    gpus, made_by = schema.gpus, schema.manufacturers
    parent = made_by.alias("parent")
    frame = pd.read_sql(
        select(
            gpus,
            func.coalesce(parent.c.name, made_by.c.name).label("vendor"),
            schema.architectures.c.name.label("architecture"),
            schema.categories.c.name.label("category"),
            schema.process_technologies.c.foundry,
            schema.process_technologies.c.nm.label("process_nm"),
            schema.memory_specs.c.memory_bytes,
            schema.memory_specs.c.bandwidth_bytes_per_s,
            schema.memory_specs.c.bus_bits,
            schema.memory_specs.c.type.label("memory_type"),
        )
        .join(made_by, gpus.c.manufacturer_id == made_by.c.id)
        .outerjoin(parent, made_by.c.parent_id == parent.c.id)
        .join(schema.categories, gpus.c.category_id == schema.categories.c.id)
        .outerjoin(schema.architectures, gpus.c.architecture_id == schema.architectures.c.id)
        .outerjoin(schema.process_technologies, gpus.c.process_id == schema.process_technologies.c.id)
        .outerjoin(schema.memory_specs, schema.memory_specs.c.gpu_id == gpus.c.id)
        .order_by(gpus.c.id),
        connection,
    ).set_index("key")
    frame["launched"] = [day.isoformat() if hasattr(day, "isoformat") else day for day in frame["launched"]]
    texts = [name for name in IDENTITY if name != "canonical"]
    frame[texts] = frame[texts].fillna("").astype(str)
    frame["canonical"] = frame["canonical"].astype(bool)
    return frame


def _add_peaks(
    connection: Connection, base: pd.DataFrame, numbers: pd.DataFrame, status: pd.DataFrame
) -> None:
    peaks = schema.peaks
    rows = pd.read_sql(
        select(peaks).where(peaks.c.sparse.is_(False), peaks.c.accumulate != "fp16"), connection
    )
    keys = dict(zip(base["id"], base.index, strict=True))
    for name, (precision, engine) in SPEC_PEAKS.items():
        of_kind = rows[(rows["precision"] == precision) & (rows["engine"] == engine)].drop_duplicates(
            "gpu_id"
        )
        where = of_kind["gpu_id"].map(keys)
        numbers.loc[where, name] = of_kind["ops_per_s"].to_numpy(float)
        status.loc[where, name] = of_kind["status"].to_numpy()


def _add_scores(connection: Connection, base: pd.DataFrame, numbers: pd.DataFrame) -> None:
    rows = pd.read_sql(select(schema.graphics_scores), connection).dropna(subset="gpu_id")
    _spread(rows.pivot_table("score", "gpu_id", "suite", aggfunc="max"), base, numbers)


def _add_prices(connection: Connection, base: pd.DataFrame, numbers: pd.DataFrame) -> None:
    rows = pd.read_sql(select(schema.prices), connection).dropna(subset="gpu_id")
    of_cards = rows[rows["kind"].isin(["launch", "retail"])]
    cards = of_cards.pivot_table("usd", "gpu_id", "kind", aggfunc="median")
    _spread(cards.rename(columns=lambda kind: f"price_{kind}_usd"), base, numbers)
    offers = rows[rows["kind"] == "on-demand"].groupby("gpu_id")["usd"]
    _spread(
        pd.DataFrame(
            {
                "cloud_low_usd_per_h": offers.min(),
                "cloud_median_usd_per_h": offers.median(),
                "cloud_high_usd_per_h": offers.max(),
                "cloud_offers": offers.size().astype(float),
            }
        ),
        base,
        numbers,
    )


def _spread(found: pd.DataFrame, base: pd.DataFrame, numbers: pd.DataFrame) -> None:
    """Columns of ``found``, by number of the accelerator, put into ``numbers``."""
    keys = dict(zip(base["id"], base.index, strict=True))
    where = found.index.map(keys)
    for name in found.columns:
        numbers.loc[where, name] = found[name].to_numpy(float)


def read_metrics(connection: Connection) -> pd.DataFrame:
    """Derived metrics of all accelerators: key, metric, value, low, high, status."""
    values = schema.metric_values
    return pd.read_sql(
        select(
            schema.gpus.c.key, values.c.metric, values.c.value, values.c.low, values.c.high, values.c.status
        ).join(schema.gpus, values.c.gpu_id == schema.gpus.c.id),
        connection,
    )
