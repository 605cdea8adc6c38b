"""What is asked of the database, by name: each question is one statement that an index answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Select, select
from sqlalchemy import Table as SqlTable

from perfseer.hardware import schema
from perfseer.hardware.schema import METADATA
from perfseer.hardware.specs import Specs
from perfseer.hardware.wide import WIDE_TABLES, wide


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
    """Closed, valid results of systems with one accelerator, each once; inferred ones are not among them."""
    return _closed_results(schema.gpus.c.key == key)


def results_on(benchmark: str) -> Select[Any]:
    """The same of one benchmark, by whichever accelerator; systems with several kinds stand once for each."""
    return _closed_results(schema.benchmarks.c.name == benchmark)


def uses_of() -> Select[Any]:
    """Key of every accelerator and the uses it is fit for, blanks between them."""
    gpus, tiers = schema.gpus, schema.tiers
    return select(gpus.c.key, tiers.c.segments).join(tiers, tiers.c.gpu_id == gpus.c.id)


def _closed_results(condition: ColumnElement[bool]) -> Select[Any]:
    gpus, systems, results = schema.gpus, schema.systems, schema.results
    inside = schema.system_accelerators
    return (
        select(
            gpus.c.key,
            systems.c.round,
            systems.c.submitter,
            systems.c.system_name.label("system"),
            schema.benchmarks.c.name.label("benchmark"),
            results.c.accuracy_target,
            results.c.scenario,
            results.c.metric,
            results.c.value,
            systems.c.total_accelerators,
            results.c.power_w,
            *(systems.c[name] for name in ("maxq", "mig", "vgpu", "power_cap_w", "mixed", "virtualised")),
            results.c.location,
        )
        .select_from(gpus)
        .join(inside, inside.c.gpu_id == gpus.c.id)
        .join(systems, systems.c.id == inside.c.system_id)
        .join(results, results.c.system_id == systems.c.id)
        .join(schema.benchmarks, schema.benchmarks.c.id == results.c.benchmark_id)
        .where(
            condition,
            systems.c.division == "closed",
            results.c.duplicate.is_(False),
            results.c.inferred.is_(False),
            results.c.valid.is_(True),
        )
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
    Query("benchmark", "closed results on one benchmark", results_on, {"benchmark": "bert"}),
    Query("uses", "the uses each accelerator is fit for", uses_of, {}),
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


def read_specs(connection: Connection) -> Specs:
    """All accelerators as one wide table."""
    tables = {name: METADATA.tables[name] for name in WIDE_TABLES}
    frames = {name: table_frame(connection, table) for name, table in tables.items() if name != "provenance"}
    provenance = schema.provenance
    by_rule = select(provenance).where(provenance.c.status != "observed")
    return wide({**frames, "provenance": pd.read_sql(by_rule, connection)})


def read_metrics(connection: Connection) -> pd.DataFrame:
    """Derived metrics of all accelerators: key, metric, value, low, high, status."""
    values = schema.metric_values
    return pd.read_sql(
        select(
            schema.gpus.c.key, values.c.metric, values.c.value, values.c.low, values.c.high, values.c.status
        ).join(schema.gpus, values.c.gpu_id == schema.gpus.c.id),
        connection,
    )
