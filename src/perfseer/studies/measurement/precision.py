"""How precise single measurements are, and what the machine did meanwhile."""

from collections.abc import Callable
from operator import itemgetter

import numpy as np
import pandas as pd

from perfseer.graphs.perfgraph import FloatArray
from perfseer.plain_data import json_object
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import choose_scale, count, named, number, percent, share_text, signed
from perfseer.studies.measurement.study import Study, known
from perfseer.studies.profile import half_widths_pct, measurement_intervals
from perfseer.targets import PHASES, TARGET_BY_NAME, Phase

UNRECORDED = "not recorded"
# Shares of the run's rows, by order, that are held against each other.
_FIFTH = 5


def aims_pct(study: Study) -> FloatArray:
    """[n] half width that each finished row's protocol asks for [%]; NaN where it names none."""
    asked = {text: _asked(text) for text in study.finished["protocol"].dropna().unique()}
    return study.finished["protocol"].map(asked).to_numpy(dtype=np.float64, na_value=np.nan)


def _asked(protocol: str) -> float:
    width = (json_object(protocol) or {}).get("ci_width")
    return 100.0 * width / 2 if isinstance(width, int | float) else np.nan


def missed(study: Study, phase: Phase) -> int:
    """Finished rows whose interval is wider than asked, or that have none although one was asked for."""
    aims = aims_pct(study)
    reached = half_widths_pct(study.finished, phase) <= aims * (1 + 1e-9)
    return int((np.isfinite(aims) & ~reached).sum())


def precision_table(study: Study) -> str:
    """Half widths of the time labels' own intervals, and how many rows missed the aim; empty without any."""
    widths = measurement_intervals(study.finished)
    rows = len(study.finished)

    def quantile(percentile: float) -> Callable[[Phase], str]:
        return lambda phase: number(float(np.percentile(widths[f"{phase}_time_ms"], percentile)))

    columns: list[Column[Phase]] = [
        ("label", lambda phase: TARGET_BY_NAME[f"{phase}_time_ms"].title),
        ("rows with an interval", lambda phase: count(len(widths[f"{phase}_time_ms"]))),
        ("rows without", lambda phase: count(rows - len(widths[f"{phase}_time_ms"]))),
        ("median [± %]", quantile(50)),
        ("90th percentile [± %]", quantile(90)),
        ("widest [± %]", quantile(100)),
        ("missed the aim", lambda phase: share_text(missed(study, phase), rows) if aim_words(study) else "–"),
        (
            "iterations counted, median",
            lambda phase: number(float(np.median(known(study.finished, f"{phase}_iterations")))),
        ),
    ]
    phases = [phase for phase in PHASES if f"{phase}_time_ms" in widths]
    return table(phases, columns) if phases else ""


def aim_words(study: Study) -> str:
    """The half width asked for, ``± 2.50 %``; several where rows differ; empty where none is asked."""
    aims = aims_pct(study)
    return ", ".join(f"± {percent(float(value))}" for value in np.unique(aims[np.isfinite(aims)]))


def machine_table(study: Study) -> str:
    """What the machine did while the two phases were measured; empty where nothing was recorded."""
    told = [(name, *cells) for name, cells in _machine(study).items() if set(cells) != {UNRECORDED}]
    titles = ("while measuring", "training", "inference")
    return table(told, [(title, itemgetter(i)) for i, title in enumerate(titles)]) if told else ""


def unrecorded(study: Study) -> str:
    """What nobody recorded of the machine, in a sentence; empty where everything was."""
    names = [name.split(":")[0] for name, cells in _machine(study).items() if set(cells) == {UNRECORDED}]
    return f"Not recorded here: {'; '.join(dict.fromkeys(names))}." if names else ""


def _machine(study: Study) -> dict[str, list[str]]:
    """Quantity → what is known of it in training and in inference."""
    quantities: dict[str, Callable[[pd.DataFrame, Phase], str]] = {
        "iterations set apart because the machine was slow": _set_apart,
        "configurations with such iterations": _of("disturbed_iterations", _share_of_rows),
        "change of the times at the end of warm-up: median, 95th percentile": _of("warmup_drift_pct", _drift),
        "machine speed, time of the probe: median (5th to 95th percentile)": _of("probe_ms", _probe),
        "probe in the last fifth of the run against the first": _of("probe_ms", _change),
        "cores other processes kept busy: mean (most)": _of("foreign_cores", _cores),
        "device memory of other processes: most": _of("foreign_mem_mib", _most_memory),
        "clock of the multiprocessors: median (least)": _of("sm_clock_mhz", _clock),
        "clock in the last fifth of the run against the first": _of("sm_clock_mhz", _change),
        "configurations with the clock held down": _throttled,
    }
    return {name: [tell(study.finished, phase) for phase in PHASES] for name, tell in quantities.items()}


def _of(column: str, show: Callable[[FloatArray], str]) -> Callable[[pd.DataFrame, Phase], str]:
    """What to show of a column's values, where there are any."""

    def tell(rows: pd.DataFrame, phase: Phase) -> str:
        values = known(rows, f"{phase}_{column}")
        return show(values) if len(values) else UNRECORDED

    return tell


def _set_apart(rows: pd.DataFrame, phase: Phase) -> str:
    apart, counted = (known(rows, f"{phase}_{name}") for name in ("disturbed_iterations", "iterations"))
    whole = int(apart.sum() + counted.sum())
    return share_text(int(apart.sum()), whole) if len(apart) and whole else UNRECORDED


def _share_of_rows(disturbed: FloatArray) -> str:
    return share_text(int((disturbed > 0).sum()), len(disturbed))


def _drift(drift_pct: FloatArray) -> str:
    return ", ".join(percent(float(value)) for value in np.percentile(np.abs(drift_pct), [50, 95]))


def _probe(probe_ms: FloatArray) -> str:
    scale = choose_scale(probe_ms, "ms")
    low, middle, high = (scale.show(float(value)) for value in np.percentile(probe_ms, [5, 50, 95]))
    return f"{middle} {scale.unit} ({low} to {high})"


def _change(values: FloatArray) -> str:
    """Median of the last fifth over that of the first, less one."""
    part = len(values) // _FIFTH
    if not part:
        return UNRECORDED
    first, last = float(np.median(values[:part])), float(np.median(values[-part:]))
    return f"{signed(100 * (last / first - 1), 2)} %"


def _cores(busy: FloatArray) -> str:
    return f"{number(float(busy.mean()), 2)} ({number(float(busy.max()), 2)})"


def _most_memory(memory_mib: FloatArray) -> str:
    most = float(memory_mib.max())
    return named(most, "MiB") if most else "none"


def _clock(clock_mhz: FloatArray) -> str:
    return f"{number(float(np.median(clock_mhz)))} MHz ({number(float(clock_mhz.min()))})"


def _throttled(rows: pd.DataFrame, phase: Phase) -> str:
    words = rows[f"{phase}_throttled"].dropna()
    if not len(words):
        return UNRECORDED
    held = words[words != ""]
    why = f": {escape('; '.join(sorted(set(held))))}" if len(held) else ""
    return f"{share_text(len(held), len(words))}{why}"
