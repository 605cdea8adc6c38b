"""Measurements against other measurements: short against long protocol, first time against again."""

from collections.abc import Callable, Sequence

import pandas as pd

from perfseer.evaluation.noise import PAPER_S, SAME, NoiseFloor, ProtocolDifference
from perfseer.plain_data import json_object
from perfseer.reporting.floors import NOT_MEASURED
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import count, number, percent, signed
from perfseer.studies.measurement.study import Study
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES, TARGETS, Target

PAIR_COLUMNS = ("label", "model_ref", "batch_size", "order", "first", "again", "difference_pct")
SHORT_LONG_COLUMNS = ("label", "model_ref", "batch_size", "short", "long", "difference_pct")


def pairs(study: Study) -> pd.DataFrame:
    """Every repeated measurement beside the table's own of that configuration, label by label.

    Returns:
        `PAIR_COLUMNS`; ``order`` is the position in the order of measuring again, values are in the label's
        unit, the difference is relative to the first value [%]. Only where both are known and positive.
    """
    if study.repeats is None:
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    again = study.repeats[study.repeats["status"] == "ok"]
    both = study.finished.merge(again, on=list(SAME), suffixes=("_first", "_again"))
    return _differences(both, "first", "again", PAIR_COLUMNS)


def short_and_long(study: Study) -> pd.DataFrame:
    """Labels of the protocol study by the short protocol beside the long one's.

    Returns:
        `SHORT_LONG_COLUMNS`; values in the label's unit, the difference relative to the long one's [%].
    """
    if study.protocol is None:
        return pd.DataFrame(columns=list(SHORT_LONG_COLUMNS))
    finished = study.protocol[study.protocol["status"] == "ok"]
    is_short = finished["protocol"].isin(study.table["protocol"])
    identity = [name for name in SAME if name != "protocol"]
    both = finished[is_short].merge(finished[~is_short], on=identity, suffixes=("_short", "_long"))
    return _differences(both, "long", "short", SHORT_LONG_COLUMNS)


def _differences(both: pd.DataFrame, base: str, other: str, columns: Sequence[str]) -> pd.DataFrame:
    """Labels of two measurements, label by label, from their columns with the suffixes base and other."""
    parts = []
    for target in TARGET_NAMES:
        values = both[[f"{target}_{base}", f"{target}_{other}"]].astype("float64")
        part = both[["model_ref", "batch_size"]].assign(label=target, order=both[f"order_{other}"])
        part[[base, other]] = values.to_numpy()
        parts.append(part[(values > 0).all(axis=1).to_numpy()])
    table = pd.concat(parts)
    difference = 100.0 * (table[other] / table[base] - 1.0)
    return table.assign(difference_pct=difference)[list(columns)].reset_index(drop=True)


def floor_table(study: Study) -> str:
    """The noise floor of every label, and how much two measurements differ; empty without repeats."""
    if not study.floors:
        return ""

    def known(show: Callable[[NoiseFloor], str], absent: str = "–") -> Callable[[Target], str]:
        return lambda target: show(study.floors[target.name]) if target.name in study.floors else absent

    columns: list[Column[Target]] = [
        ("label", lambda target: target.title),
        ("noise floor (MAPE)", known(lambda floor: percent(floor.mape_pct), NOT_MEASURED)),
        ("its interval [%]", known(lambda floor: f"{number(floor.low_pct)} to {number(floor.high_pct)}")),
        ("two measurements differ by: median", known(lambda floor: percent(floor.median_pct))),
        ("95th percentile", known(lambda floor: percent(floor.p95_pct))),
        ("configurations", known(lambda floor: count(floor.configurations))),
        ("measurements", known(lambda floor: count(floor.measurements))),
    ]
    return table(TARGETS, columns)


def floor_sentence(study: Study) -> str:
    """The floors of all labels in a sentence."""
    if not study.floors:
        return (
            "Nothing was measured twice, so the noise floor is not known; `perfseer remeasure` on the same "
            "device finds out."
        )
    known = [
        f"{TARGET_BY_NAME[name].title} {percent(floor.mape_pct)}" for name, floor in study.floors.items()
    ]
    return f"Noise floor, the MAPE below which nobody can predict a single measurement: {', '.join(known)}."


def protocol_table(study: Study) -> str:
    """How far the short protocol's labels are from the long one's, beside the aims; empty without a study."""
    if study.compared is None:
        return ""
    aims = study.aims
    columns: list[Column[ProtocolDifference]] = [
        ("label", lambda difference: TARGET_BY_NAME[difference.target].title),
        ("against the long protocol's", lambda difference: difference.against),
        ("median difference", lambda difference: percent(difference.median_pct)),
        (
            f"median at most {aims.median_pct:g} %",
            lambda difference: _met(difference.median_pct <= aims.median_pct),
        ),
        ("95th percentile", lambda difference: percent(difference.p95_pct)),
        (f"95th at most {aims.p95_pct:g} %", lambda difference: _met(difference.p95_pct <= aims.p95_pct)),
        ("median, with sign", lambda difference: f"{signed(difference.bias_pct, 2)} %"),
        ("configurations", lambda difference: count(difference.configurations)),
    ]
    # By label, each time's two below each other.
    rows = sorted(study.compared.differences, key=lambda row: TARGET_NAMES.index(row.target))
    return table(rows, columns, align="llrlrlrr")


def _met(holds: bool) -> str:
    return "**met**" if holds else "**not met**"


def protocol_sentence(study: Study) -> str:
    """How many labels meet the aims of the protocol study."""
    if study.compared is None:
        return (
            "The short protocol was not held against a long one on this device; `perfseer protocol-study` "
            "does it."
        )
    labels = [difference for difference in study.compared.differences if difference.against == "label"]
    medians = sum(difference.median_pct <= study.aims.median_pct for difference in labels)
    tails = sum(difference.p95_pct <= study.aims.p95_pct for difference in labels)
    return (
        f"Against a long protocol on {count(study.compared.configurations)} configurations, {medians} of "
        f"{len(labels)} labels differ by at most {study.aims.median_pct:g} % in the median and {tails} of "
        f"{len(labels)} by at most {study.aims.p95_pct:g} % in the 95th percentile."
    )


def cost_sentence(study: Study) -> str:
    """What the short protocol costs beside the long one and beside the paper's; empty without a study."""
    compared = study.compared
    if compared is None:
        return ""
    aim = study.aims.cost_ratio
    return (
        f"A configuration took {number(compared.short_s)} s by the short protocol, "
        f"{number(compared.long_s)} s by the long one, building included: {number(compared.cost_ratio)} "
        "times as much. By the paper's protocol, 30 s of warm-up and 30 s of counting per phase, it would "
        f"take at least {PAPER_S:g} s, {number(compared.paper_cost_ratio)} times as much (reckoned, not "
        "measured). "
        f"The aim of at least {aim:g} times is {_met(compared.paper_cost_ratio >= aim)}."
    )


def long_protocol_words(study: Study) -> str:
    """Warm-up and counting of the study's long protocol, per phase; empty without a study."""
    if study.protocol is None:
        return ""
    long = study.protocol[~study.protocol["protocol"].isin(study.table["protocol"])]
    texts = long["protocol"].dropna().unique()
    return "; ".join(_lengths(text) for text in sorted(texts))


def _lengths(protocol: str) -> str:
    parsed = json_object(protocol) or {}
    return f"{parsed['warmup_s']:g} s of warm-up and {parsed['phase_budget_s']:g} s counted"
