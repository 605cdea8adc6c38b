"""Rules about the machine while the table was measured: its speed, and who else used it."""

import numpy as np
import pandas as pd

from perfseer.measure.progress import FOREIGN_CORES_LIMIT
from perfseer.measure.table import SETTING
from perfseer.measure.trust.rules.evidence import Details, Evidence, evidence, known, told
from perfseer.measure.trust.settings import SanitySettings
from perfseer.targets import PHASES

# The run is cut in fifths; each needs this many readings for its median to mean anything.
PARTS = 5
LEAST_PER_PART = 5
# A desktop holds some device memory at all times; whoever computes holds a context, which is more.
FOREIGN_MEM_LIMIT_MIB = 64.0
# Column, unit and words of the readings of speed, by kind of device.
_SPEEDS = (("probe_ms", "ms", "the probe took"), ("sm_clock_mhz", "MHz", "the clock was"))


def machine_steady(table: pd.DataFrame, settings: SanitySettings) -> Evidence:
    """The median speed of the machine in every fifth of the run is that of the first fifth."""
    checked, parts = pd.Series(False, index=table.index), []
    for column, unit, words in _SPEEDS:
        readings = table[[f"{phase}_{column}" for phase in PHASES]].mean(axis=1)
        for _, rows in table[readings.notna()].groupby(list(SETTING), sort=False, dropna=False):
            if len(rows) >= PARTS * LEAST_PER_PART:
                checked[rows.index] = True
                parts.append(_drifts(rows["order"], readings[rows.index], settings.drift, unit, words))
    least = PARTS * LEAST_PER_PART
    return evidence(table, checked, parts, f"fewer than {least} rows of one setting have a reading of speed")


def not_throttled(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Nothing held the device's clock down while counting."""
    checked, parts = pd.Series(False, index=table.index), []
    for phase in PHASES:
        causes = table[f"{phase}_throttled"]
        checked |= causes.notna()
        rows = pd.DataFrame({"causes": causes})[known(causes)]
        parts.append(told(rows, "throttled in {phase}: {causes}", phase=phase))
    return evidence(table, checked, parts, "no row says whether the clock was held down")


def no_foreign_load(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Other processes kept at most a quarter of a core busy meanwhile."""
    return _foreign(table, "foreign_cores", FOREIGN_CORES_LIMIT, "cores busy", "load of other processes")


def no_foreign_memory(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Other processes held at most 64 MiB of the device's memory meanwhile."""
    return _foreign(table, "foreign_mem_mib", FOREIGN_MEM_LIMIT_MIB, "MiB", "memory of other processes")


def _foreign(table: pd.DataFrame, column: str, limit: float, unit: str, what: str) -> Evidence:
    checked, parts = pd.Series(False, index=table.index), []
    for phase in PHASES:
        values = table[f"{phase}_{column}"]
        checked |= values.notna()
        rows = pd.DataFrame({"value": values})[values > limit]
        parts.append(told(rows, "others in {phase}: {value:.3g} {unit}", phase=phase, unit=unit))
    return evidence(table, checked, parts, f"no row knows the {what}")


def _drifts(
    order: "pd.Series[int]", readings: "pd.Series[float]", drift: float, unit: str, words: str
) -> Details:
    """The first row of every fifth whose median strays from that of the first fifth, told so."""
    readings = readings[order.sort_values(kind="stable").index]
    parts = [readings.iloc[part] for part in np.array_split(np.arange(len(readings)), PARTS)]
    medians = [float(part.median()) for part in parts]
    texts = {
        part.index[
            0
        ]: f"{words} {median:.4g} {unit} in fifth {number} of the run, {medians[0]:.4g} {unit} in "
        f"the first ({median / medians[0] - 1:+.0%})"
        for number, (part, median) in enumerate(zip(parts, medians, strict=True), start=1)
        if abs(median / medians[0] - 1) > drift
    }
    return pd.Series(texts, dtype=object)
