"""Rules that set rows, or the two phases of a row, against each other."""

import math

import numpy as np
import pandas as pd

from perfseer.measure.table import CONFIGURATION, SETTING
from perfseer.measure.trust.rules.evidence import (
    MEMORY_RESOLUTION_MIB,
    Details,
    Evidence,
    every,
    evidence,
    series_of,
    told,
)
from perfseer.measure.trust.settings import SanitySettings
from perfseer.targets import PHASES, TARGET_NAMES, UNITS, Quantity, Target

# So many rows with one and the same time, and this share of all: a clock does not do that.
STUCK_ROWS = 5
STUCK_SHARE = 0.01


def time_grows(table: pd.DataFrame, settings: SanitySettings) -> Evidence:
    """Time does not fall when only the batch grows."""
    return _grows(table, "time", settings.time_slack, 0.0)


def memory_grows(table: pd.DataFrame, settings: SanitySettings) -> Evidence:
    """Memory does not fall when only the batch grows."""
    return _grows(table, "mem", settings.time_slack, MEMORY_RESOLUTION_MIB)


def smaller_batches_fit(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Where a batch size runs out of memory, no larger one runs."""
    series, ok = series_of(table), table["status"] == "ok"
    largest = series.map(table["batch_size"].where(ok).groupby(series).max())
    rows = pd.DataFrame({"batch_size": table["batch_size"], "largest": largest})
    bad = (table["status"] == "oom") & (rows["batch_size"] < largest)
    text = "out of memory at batch {batch_size}, yet batch {largest:.0f} ran"
    return evidence(table, every(table), [told(rows[bad], text)], "there are no rows")


def training_takes_longer(table: pd.DataFrame, settings: SanitySettings) -> Evidence:
    """Training takes no less time than inference at the same batch."""
    return _training_costs_more(table, "time", settings.time_slack)


def training_needs_more(table: pd.DataFrame, settings: SanitySettings) -> Evidence:
    """Training needs no less memory than inference at the same batch."""
    return _training_costs_more(table, "mem", settings.time_slack)


def labels_not_copied(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """No two configurations have the same six labels to the last digit."""
    whole = table[list(TARGET_NAMES)].notna().all(axis=1)
    keys = [*TARGET_NAMES, *SETTING]
    rows = table[whole]
    rows = rows[rows.duplicated(keys, keep=False)]
    same = rows.groupby(keys, sort=False, dropna=False)
    first = {name: same[name].transform("first") for name in (*CONFIGURATION, "order")}
    differs = pd.Series(False, index=rows.index)
    for name in CONFIGURATION:
        differs |= rows[name] != first[name]
    text = "all six labels are those of {model_ref} at batch {batch_size} (order {order})"
    found = pd.DataFrame({name: first[name] for name in ("model_ref", "batch_size", "order")})
    return evidence(table, whole, [told(found[differs], text)], "no row has all six labels")


def times_not_stuck(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """No time stands, to the last digit, in more than five rows and one per cent of them."""
    parts, checked = [], pd.Series(False, index=table.index)
    for phase in PHASES:
        times = table[f"{phase}_time_ms"]
        checked |= times.notna()
        most = max(STUCK_ROWS, math.floor(STUCK_SHARE * times.notna().sum()))
        rows = pd.DataFrame({"value": times, "count": times.map(times.value_counts())})
        text = "{phase}_time_ms is {value!r} in {count:.0f} rows"
        parts.append(told(rows[rows["count"] > most], text, phase=phase))
    return evidence(table, checked, parts, "no row has a time")


def _grows(table: pd.DataFrame, quantity: Quantity, slack: float, resolution: float) -> Evidence:
    series = series_of(table)
    checked, parts = pd.Series(False, index=table.index), []
    for phase in PHASES:
        rows = _against_smaller(table, series, Target(phase, quantity).name)
        checked |= rows["most"].notna().reindex(table.index, fill_value=False)
        parts.append(_falls(rows, Target(phase, quantity), slack, resolution))
    return evidence(table, checked, parts, "no network was measured at two batch sizes")


def _against_smaller(table: pd.DataFrame, series: "pd.Series[int]", label: str) -> pd.DataFrame:
    """Rows with a label, and the most any smaller batch size of the same series has, with its row.

    Of a configuration measured twice the first counts: the second is the business of another rule.
    """
    rows = table[["batch_size", "order", label]].rename(columns={label: "value"}).assign(series=series)
    rows = rows[np.isfinite(rows["value"])].drop_duplicates(["series", "batch_size"])
    rows = rows.sort_values(["series", "batch_size"], kind="stable")
    highest = rows.groupby("series")["value"].cummax()
    # Where the maximum is reached; carried forward, it is the row of the maximum so far.
    reached = rows[["batch_size", "order"]].where(highest == rows["value"]).groupby(rows["series"]).ffill()
    before = reached.assign(most=highest).groupby(rows["series"]).shift()
    return rows.assign(most=before["most"], at=before["batch_size"], other=before["order"])


def _falls(rows: pd.DataFrame, target: Target, slack: float, resolution: float) -> Details:
    low = rows["value"] < (1 - slack) * rows["most"] - resolution
    text = (
        "{name} is {value:.4g} {unit} at batch {batch_size}, but {most:.4g} {unit} at batch {at:.0f} "
        "(order {other:.0f})"
    )
    return told(rows[low], text, name=target.name, unit=target.unit)


def _training_costs_more(table: pd.DataFrame, quantity: Quantity, slack: float) -> Evidence:
    rows = pd.DataFrame({phase: table[Target(phase, quantity).name] for phase in PHASES})
    low = rows["train"] < (1 - slack) * rows["infer"]
    text = "training takes {train:.4g} {unit}, inference {infer:.4g} {unit}"
    parts = [told(rows[low], text, unit=UNITS[quantity])]
    return evidence(table, rows.notna().all(axis=1), parts, "no row has both phases")
