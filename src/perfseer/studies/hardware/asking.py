"""Questions of the command line as tables: names that forgive, conditions, rankings, comparisons."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from perfseer.data.devices import plain_name
from perfseer.errors import PerfseerError, require
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.mlperf.rounds import places
from perfseer.hardware.names import identify
from perfseer.hardware.rows import records
from perfseer.hardware.specs import COLUMNS, IDENTITY, NUMBERS, Specs
from perfseer.studies.hardware.shown_units import shown_value, unit_of

_TEXTS = tuple(name for name in IDENTITY if name != "canonical")
_OF_CLOUDS = {name for name in NUMBERS if name.startswith("cloud_") and name != "cloud_offers"} | {
    metric.name for metric in METRICS.values() if "cloud_median_usd_per_h" in metric.inputs
}
_LEADERS = (
    *("key", "name", "scenario", "accuracy_target", "round", "median", "best", "unit"),
    *("results", "submitters"),
)
_MEASURED = (
    *("round", "submitter", "system", "benchmark", "accuracy_target", "scenario", "accelerators"),
    *("per_accelerator", "value", "unit", "power_w", "set_up"),
)
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*")
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\D*)")
_COMPARED: dict[str, Callable[[pd.Series, float], pd.Series]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


def key_of(name: str, table: pd.DataFrame, log: Callable[[str], None] = lambda _: None) -> str:
    """The key of an accelerator that people name.

    Args:
        name: key, name or any spelling that is understood.
        table: of all accelerators, indexed by key, with their names.
        log: is told where a name could have been another accelerator's too.

    Raises:
        PerfseerError: nothing is called so, or several are; says what is alike.
    """
    if name in table.index:
        return name
    identity = identify(name)
    understood = [part.key for part in identity.parts]
    if len(understood) == 1 and understood[0] in table.index:
        if identity.reason:
            log(f"{name!r} is taken for {understood[0]}: {identity.reason}")
        return understood[0]
    require(bool(plain_name(name)), f"{name!r} names no accelerator; `perfseer hardware list --all` has all")
    plain = table["name"].map(plain_name)
    called = list(table.index[plain == plain_name(name)])
    if len(called) == 1:
        return str(called[0])
    require(not called, f"{name!r} could be {', '.join(map(str, called[:8]))}: give one of these keys")
    keys = dict(zip(plain, table.index, strict=True)) | {plain_name(key): key for key in table.index}
    alike = [keys[close] for close in difflib.get_close_matches(plain_name(name), keys, n=3, cutoff=0.6)]
    hint = (
        f"did you mean {' or '.join(map(str, alike))}?" if alike else "`perfseer hardware list --all` has all"
    )
    raise PerfseerError(f"no accelerator {name!r}; {hint}")


def narrowed(table: pd.DataFrame, conditions: Iterable[str]) -> pd.DataFrame:
    """Rows that meet all conditions, such as ``vendor=AMD`` and ``memory_bytes>=8e10``.

    Raises:
        PerfseerError: a condition cannot be read, or names no column.
    """
    for condition in conditions:
        said = _CONDITION.fullmatch(condition)
        if said is None:
            raise PerfseerError(f"cannot read {condition!r}: expected column=value, column>=number, …")
        column, sign, value = said.groups()
        _require_column(column)
        table = table[_met(table[column], sign, value, condition)]
    return table


def _met(cells: pd.Series, sign: str, value: str, condition: str) -> pd.Series:
    if cells.name in NUMBERS:
        return _COMPARED[sign](cells, _number(str(cells.name), value, condition))
    require(sign in ("=", "!="), f"{condition!r}: {cells.name} is no number; use = or !=")
    equal = cells.astype(str).str.casefold() == value.casefold()
    return equal if sign == "=" else ~equal


def _number(figure: str, said: str, condition: str) -> float:
    """A number in SI units, or with the unit that tables show: ``8e10``, ``80GB``."""
    unit = unit_of(figure)
    # Vendors mean 2³⁰ bytes where they write GB of memory.
    known = {"": 1.0, unit.si: 1.0, unit.shown: unit.factor, unit.shown.replace("iB", "B"): unit.factor}
    named = {name.casefold(): factor for name, factor in known.items()}
    split = _NUMBER.fullmatch(said)
    if split is None or split[2].casefold() not in named:
        units = " or ".join(filter(None, dict.fromkeys([unit.si, unit.shown]))) or "no unit"
        raise PerfseerError(f"{condition!r}: {figure} is a number in {units}, {said!r} is none")
    return float(split[1]) * named[split[2].casefold()]


def picked(table: pd.DataFrame, columns: str) -> pd.DataFrame:
    """Some columns, in the order of ``columns``, separated by commas.

    Raises:
        PerfseerError: there is no such column.
    """
    names = list(dict.fromkeys(name.strip() for name in columns.split(",") if name.strip()))
    for name in names:
        _require_column(name)
    return table[names]


def sheet(
    specs: Specs,
    key: str,
    figures: pd.DataFrame,
    conflicts: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    people: bool,
) -> pd.DataFrame:
    """Every figure of an accelerator: value, how it is known, who says so, what others say.

    Args:
        specs: of all accelerators.
        key: of the one that is asked for.
        figures: `perfseer.hardware.queries.figures_of` it.
        conflicts: `perfseer.hardware.queries.conflicts_of` it.
        prices: `perfseer.hardware.queries.prices_of` it.
        people: in the units that people read, instead of SI.

    Returns:
        ``figure``, ``value``, ``unit``, ``status``, ``source``, ``others say``; peaks that no column of the
        wide table holds (sparse, with sums in FP16) stand behind those that one does.
    """
    row, status = specs.table.loc[key], specs.status.loc[key]
    is_told = figures["chosen"].astype(bool)
    told = {str(line["figure"]): line for line in records(figures[is_told])}
    others = _others_say(figures[~is_told], conflicts, people=people)
    lines = [(name, str(row[name]), "", "", "", "") for name in _TEXTS if str(row[name])]
    values: dict[str, tuple[Any, Any]] = {
        name: (row[name], status[name]) for name in NUMBERS if status[name] != "missing"
    }
    values |= {name: (told[name]["value"], told[name]["status"]) for name in sorted(set(told) - set(NUMBERS))}
    for name, (value, known) in values.items():
        source = _source(told[name]) if name in told else _priced(name, prices)
        unit = _unit_named(name, people=people)
        said = _said(name, value, people=people)
        lines.append((name, said, unit, str(known), source, "; ".join(others.get(name, []))))
    return pd.DataFrame(lines, columns=["figure", "value", "unit", "status", "source", "others say"])


def _others_say(figures: pd.DataFrame, conflicts: pd.DataFrame, *, people: bool) -> dict[str, list[str]]:
    """Figure → what each source that was not believed says, and why it may differ."""
    why = {(line["figure"], line["other_source"]): line["rule"] for line in records(conflicts)}
    found: dict[str, list[str]] = {}
    for line in records(figures):
        name, source = line["figure"], line["source"]
        said = f"{source}: {_said(name, line['value'], people=people)}"
        reason = why.get((name, source), "")
        found.setdefault(name, []).append(f"{said} ({reason})" if reason else said)
    return found


def _said(figure: str, value: float, *, people: bool) -> str:
    return shown_value(figure, value) if people else f"{value:.6g}"


def _source(line: Mapping[str, Any]) -> str:
    """Who says so, in which document, and by which arithmetic."""
    document = "; ".join(filter(None, [line["document"], line["note"]]))
    return f"{line['source']}: {document}" if document else str(line["source"])


def _priced(figure: str, prices: pd.DataFrame) -> str:
    """Who tells a price, from when, and on how many it rests; empty text for other figures."""
    kind = {"price_launch_usd": "launch", "price_retail_usd": "retail"}.get(figure, "on-demand")
    rows = prices[prices["kind"] == kind]
    if "usd" not in figure or rows.empty:
        return ""
    first, last = rows["date"].min(), rows["date"].max()
    when = first if first == last else f"{first} to {last}"
    said = "1 price" if len(rows) == 1 else f"{len(rows)} prices"
    return f"{', '.join(sorted(set(rows['source'])))}: {said}, {when}"


def beside(specs: Specs, keys: Sequence[str], *, people: bool) -> pd.DataFrame:
    """Accelerators as columns, a row for each figure that one of them has, with its unit.

    Args:
        specs: of all accelerators.
        keys: of those to compare.
        people: in the units that people read, instead of SI.
    """
    table = specs.table.loc[list(dict.fromkeys(keys))]
    names = [*_TEXTS, *NUMBERS]
    names = [name for name in names if table[name].notna().any() and (table[name].astype(str) != "").any()]
    cells = {
        name: [
            str(cell) if name in IDENTITY else _compared(name, cell, people=people) for cell in table[name]
        ]
        for name in names
    }
    units = [_unit_named(name, people=people) for name in names]
    shown = pd.DataFrame(cells, index=list(table.index)).T
    shown.insert(0, "unit", units)
    return shown.rename_axis("figure").reset_index()


def _compared(figure: str, value: float, *, people: bool) -> str:
    return "" if pd.isna(value) else _said(figure, value, people=people)


def _unit_named(figure: str, *, people: bool) -> str:
    if figure in IDENTITY:
        return ""
    return unit_of(figure).shown if people else unit_of(figure).si


def ranked(
    table: pd.DataFrame, metrics: pd.DataFrame, by: str, limit: int, *, ascending: bool | None = None
) -> pd.DataFrame:
    """Accelerators by a derived metric, in the unit that tables show, or by a figure, in SI units.

    Args:
        table: of the accelerators to rank.
        metrics: `perfseer.hardware.queries.read_metrics`.
        by: a metric or a figure.
        limit: how many.
        ascending: whether the least come first; None: the best, which of prices is the least.

    Raises:
        PerfseerError: there is no such metric.
    """
    # On how many offers a price of clouds rests stands beside it.
    offers = ["cloud_offers"] if by in _OF_CLOUDS else []
    if by not in METRICS:
        known = [*METRICS, *NUMBERS]
        alike = difflib.get_close_matches(by, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(alike)}?" if alike else "`perfseer hardware metrics` has all"
        require(by in NUMBERS, f"no metric {by!r}; {hint}")
        up = "_usd" in by if ascending is None else ascending
        order = table.dropna(subset=by).sort_values([by, "name"], ascending=[up, True])
        return order[["name", "vendor", by, *offers]].head(limit).reset_index()
    up = METRICS[by].higher_is_better is False if ascending is None else ascending
    measured = metrics[metrics["metric"] == by].set_index("key")
    scaled = measured[["value", "low", "high"]].astype(float) / METRICS[by].scale
    joined = table[["name", "vendor"]].join(scaled.assign(unit=METRICS[by].display_unit), how="inner")
    joined["status"] = measured["status"]
    joined = joined.join(table[offers])
    order = joined.sort_values(["value", "name"], ascending=[up, True]).head(limit)
    return order.rename(columns={"value": by}).dropna(axis="columns", how="all").reset_index()


def measured(
    results: pd.DataFrame, benchmark: str | None = None, scenario: str | None = None
) -> pd.DataFrame:
    """Results of MLPerf with one accelerator: the latest round first, in it the best per accelerator.

    Args:
        results: `perfseer.hardware.queries.results_of` the accelerator.
        benchmark: only this one; None: all.
        scenario: only this one, in any case; None: all.

    Returns:
        ``per_accelerator`` is empty where the result is a latency, or of several kinds of accelerators; its
        unit is that of ``value``. ``set_up`` says how the accelerator was not as it is sold.

    Raises:
        PerfseerError: there are no results of this benchmark or scenario; says of which there are.
    """
    if benchmark is not None:
        results = _only(results, "benchmark", benchmark)
    results = only_scenario(results, scenario)
    rate = results["metric"].str.endswith("_per_s") & ~results["mixed"].astype(bool)
    per_accelerator = (results["value"] / results["total_accelerators"]).where(rate)
    shown = results.assign(
        accelerators=results["total_accelerators"],
        per_accelerator=per_accelerator,
        unit=results["metric"].map(_unit_of_metric),
        set_up=[_set_up(row) for row in records(results)],
        place=places(results["round"]),
    )
    order = ["place", "benchmark", "accuracy_target", "scenario", "per_accelerator", "value", "submitter"]
    shown = shown.sort_values(order, ascending=[False, True, True, True, False, False, True], kind="stable")
    return shown[list(_MEASURED)].reset_index(drop=True)


def leaders(results: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Who reaches most on a benchmark: throughput per accelerator as it is sold, the best median first.

    Args:
        results: `perfseer.hardware.queries.results_on` the benchmark.
        table: of all accelerators, with their names.

    Returns:
        A row per accelerator, scenario, accuracy and unit, of its latest round alone; ``results`` and
        ``submitters`` say on how many it rests.
    """
    plain = [not _set_up(row) for row in records(results)]
    rows = results[plain]
    rows = rows[rows["metric"].str.endswith("_per_s") & (rows["total_accelerators"] > 0)]
    rows = rows.assign(
        per_accelerator=rows["value"] / rows["total_accelerators"],
        unit=rows["metric"].map(_unit_of_metric),
        place=places(rows["round"]),
    )
    same = ["key", "scenario", "accuracy_target", "unit"]
    rows = rows[rows["place"] == rows.groupby(same)["place"].transform("max")]
    found = rows.groupby(same, sort=True).agg(
        round=("round", "first"),
        median=("per_accelerator", "median"),
        best=("per_accelerator", "max"),
        results=("per_accelerator", "size"),
        submitters=("submitter", "nunique"),
    )
    found = found.reset_index()
    found = found.assign(name=found["key"].map(table["name"]))
    order = found.sort_values(
        ["scenario", "accuracy_target", "unit", "median", "key"], ascending=[True, True, True, False, True]
    )
    return order[list(_LEADERS)].reset_index(drop=True)


def only_scenario(results: pd.DataFrame, scenario: str | None) -> pd.DataFrame:
    """Results of one scenario, in any case; all where none is named.

    Raises:
        PerfseerError: there are none of it; says of which there are.
    """
    return results if scenario is None else _only(results, "scenario", scenario)


def _only(results: pd.DataFrame, column: str, wanted: str) -> pd.DataFrame:
    there = sorted(set(results[column]))
    kept = results[results[column].str.casefold() == wanted.casefold()]
    require(len(kept) > 0, f"no results of the {column} {wanted!r} here; there are {', '.join(there)}")
    return kept


def fit_for(table: pd.DataFrame, uses: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """Accelerators that are fit for a use, all where none is named.

    Args:
        table: of accelerators, by key.
        uses: `perfseer.hardware.queries.uses_of`.
        wanted: use, as params.yaml calls it.

    Raises:
        PerfseerError: there is no such use; says which there are.
    """
    if wanted is None:
        return table
    named = {str(key): str(text).split() for key, text in zip(uses["key"], uses["segments"], strict=True)}
    known = sorted({use for of_key in named.values() for use in of_key})
    require(wanted in known, f"no accelerator is fit for {wanted!r}; uses are {', '.join(known) or 'none'}")
    return table[[wanted in named.get(str(key), []) for key in table.index]]


def _unit_of_metric(metric: str) -> str:
    """Unit of a result: ``tokens_per_s`` are token/s, a latency is in s."""
    return f"{metric.removesuffix('s_per_s')}/s" if metric.endswith("s_per_s") else "s"


def _set_up(row: Mapping[str, Any]) -> str:
    said = [name for name in ("maxq", "mixed", "virtualised") if row[name]]
    said += [f"{name} {row[name]}" for name in ("mig", "vgpu") if row[name]]
    return ", ".join(said + ([] if pd.isna(row["power_cap_w"]) else [f"capped at {row['power_cap_w']:g} W"]))


def _require_column(name: str) -> None:
    alike = difflib.get_close_matches(name, COLUMNS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"there are {', '.join(COLUMNS)}"
    require(name in COLUMNS, f"no column {name!r}; {hint}")
