"""Rules every row must obey by itself."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from perfseer.measure.table import COLUMNS
from perfseer.measure.trust.rules.evidence import (
    Details,
    Evidence,
    device_memory_gib,
    every,
    evidence,
    known,
    told,
)
from perfseer.measure.trust.settings import SanitySettings
from perfseer.targets import PHASES, TARGET_NAMES, TARGETS

MIB_PER_GIB = 1024.0
# Two clocks time a phase and the whole of a configuration.
CLOCK_TOLERANCE = 0.01
# Every other number counts or measures something; this one is a change.
_SIGNED = {f"{phase}_warmup_drift_pct" for phase in PHASES}
_NUMBERS = [name for name, column in COLUMNS.items() if str(column.kind) in ("int64", "double")]
_POSITIVE = {"batch_size", *(target.name for target in TARGETS if target.quantity != "util")}


def labels_complete(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Every row that is ok has all six labels."""
    ok = table["status"] == "ok"
    parts = [_missing(table, ok & table[name].isna(), name) for name in TARGET_NAMES]
    return evidence(table, ok, parts, "no row is ok")


def numbers_sound(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Times, memory and batch sizes are finite and positive, other numbers finite and not negative."""
    parts = []
    for name in _NUMBERS:
        values = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.isinf(values)
        if name in _POSITIVE:
            bad |= values <= 0
        elif name not in _SIGNED:
            bad |= values < 0
        parts.append(_valued(table[name], pd.Series(bad, index=table.index)))
    return evidence(table, every(table), parts, "there are no rows")


def utilisation_in_range(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Utilisation is above 0 and at most 100 %.

    Ours and NVML's; 0 is none of a device that has worked, but in NVML's samples.
    """
    parts, checked = [], pd.Series(False, index=table.index)
    for phase in PHASES:
        label, sampled = table[f"{phase}_util_pct"], table[f"{phase}_util_nvml_pct"]
        checked |= label.notna()
        parts.append(_valued(label, ~label.between(0, 100, inclusive="right") & label.notna()))
        parts.append(_valued(sampled, ~sampled.between(0, 100) & sampled.notna()))
    return evidence(table, checked, parts, "no row has a utilisation")


def median_in_its_interval(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """The median time lies in its own confidence interval."""
    parts, checked = [], pd.Series(False, index=table.index)
    for phase in PHASES:
        rows = _columns(table, phase, "time_ms", "time_ci_low_ms", "time_ci_high_ms")
        there = rows.notna().all(axis=1)
        inside = (rows["time_ci_low_ms"] <= rows["time_ms"]) & (rows["time_ms"] <= rows["time_ci_high_ms"])
        checked |= there
        text = "{phase}_time_ms is {time_ms:.6g}, its interval {time_ci_low_ms:.6g} to {time_ci_high_ms:.6g}"
        parts.append(told(rows[there & ~inside], text, phase=phase))
    return evidence(table, checked, parts, "no row has a confidence interval")


def failures_explained(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """A row that is not ok says why; one that is ok has nothing to explain."""
    ok, said = table["status"] == "ok", known(table["reason"])
    silent = told(table.loc[~ok & ~said, ["status"]], "{status} without a reason")
    chatty = told(table.loc[ok & said, ["reason"]], "ok, yet with the reason {reason!r}")
    return evidence(table, every(table), [silent, chatty], "there are no rows")


def memory_figures_agree(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """The memory label is at most what the allocator gave out, that at most what it held; on the cpu the
    label is at most what the process held.
    """  # noqa: D205  # one sentence, which reports print
    parts, checked = [], pd.Series(False, index=table.index)
    for phase in PHASES:
        names = ("mem_mib", "mem_allocated_mib", "mem_reserved_mib", "mem_process_mib")
        rows = _columns(table, phase, *names)
        # On cuda the process is read at the end, when the allocator may have given memory back.
        rows.loc[table["device_kind"] != "cpu", "mem_process_mib"] = np.nan
        for less, more in (*pairwise(names[:3]), ("mem_mib", "mem_process_mib")):
            checked |= rows[less].notna() & rows[more].notna()
            pair = rows[rows[less] > rows[more]].rename(columns={less: "less", more: "more"})
            text = f"{{phase}}_{less} is {{less:.6g}}, {{phase}}_{more} {{more:.6g}}"
            parts.append(told(pair[["less", "more"]], text, phase=phase))
    return evidence(table, checked, parts, "no row has a second figure of memory")


def memory_fits_the_device(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """No configuration takes more memory than the device has."""
    # The fingerprint's figure is rounded to whole GiB.
    limit = (device_memory_gib(table) + 0.5) * MIB_PER_GIB
    parts, checked = [], pd.Series(False, index=table.index)
    for phase in PHASES:
        label = table[f"{phase}_mem_mib"]
        rows = pd.DataFrame({"mem": label, "limit": limit})
        checked |= rows.notna().all(axis=1)
        text = "{phase}_mem_mib is {mem:.6g}, the device has {limit:.6g} MiB"
        parts.append(told(rows[label > limit], text, phase=phase))
    return evidence(table, checked, parts, "no environment says how much memory the device has")


def counting_fits_the_clock(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """The counted iterations took no longer than the whole configuration."""
    phases = [table[f"{phase}_time_mean_ms"] * table[f"{phase}_iterations"] for phase in PHASES]
    rows = pd.DataFrame({"counted_s": sum(phase.fillna(0) for phase in phases) / 1e3})
    rows["measured_s"] = table["measured_s"]
    checked = (rows["counted_s"] > 0) & (rows["measured_s"] > 0)
    over = rows["counted_s"] > rows["measured_s"] * (1 + CLOCK_TOLERANCE)
    text = "{counted_s:.4g} s counted in {measured_s:.4g} s of measuring"
    return evidence(table, checked, [told(rows[checked & over], text)], "no row says how long measuring took")


def _missing(table: pd.DataFrame, bad: "pd.Series[bool]", name: str) -> Details:
    return pd.Series(f"no {name}", index=table.index[bad], dtype=object)


def _valued(values: "pd.Series[Any]", bad: "pd.Series[bool]") -> Details:
    return told(pd.DataFrame({"value": values[bad]}), "{name} is {value:g}", name=str(values.name))


def _columns(table: pd.DataFrame, phase: str, *names: str) -> pd.DataFrame:
    """The phase's columns without the phase in their names."""
    return table[[f"{phase}_{name}" for name in names]].set_axis(list(names), axis=1)
