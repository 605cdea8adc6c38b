"""Official results and logs as one table: each result once, the official value with its log's latencies."""

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.hardware.mlperf.shape import COLUMNS, NUMBERS, SWITCHES, mark_duplicates
from perfseer.hardware.source import Reading

# Columns of `results`.
RESULT_COLUMNS: dict[str, str] = {**COLUMNS, "source": "official, log, or official+log"}
# Relative difference between a table and its log from which both are listed.
TOLERANCE = 0.005
_KEY = ["round", "location"]
# What a log says of its own scenario only.
_OF_THE_RUN = (
    "power_w",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "ttft_s",
    "tpot_s",
    "log_id",
)
_DIFFERENCE_COLUMNS = (
    "round",
    "location",
    "benchmark",
    "scenario",
    "metric",
    "inferred",
    "official",
    "logged",
    "ratio",
)


def results(logs: Reading, official: Reading) -> pd.DataFrame:
    """Every result once.

    A row of an official table and the log of the same round and location are one result: the table's words
    and value, and what only the log has: memory, latencies, power. Where the table's result was inferred from
    a run of another scenario, that run's latencies are not its own and stay away. Copies are marked anew, now
    that most rows have a log.

    Args:
        logs: of the submission logs.
        official: of the official tables.

    Returns:
        `RESULT_COLUMNS`, sorted by round, location.
    """
    joined = _joined(logs, official)
    here, logged = joined["_merge"] != "right_only", joined["_merge"] != "left_only"
    same_run = joined["scenario_log"] == joined["scenario"]
    frame = joined[_KEY].copy()
    for name in COLUMNS:
        if name in _KEY:
            continue
        ours, theirs = joined[name], joined[f"{name}_log"]
        if name in _OF_THE_RUN:
            theirs = theirs.where(same_run | ~here, np.nan if name in NUMBERS else "")
        if name in SWITCHES or name in ("metric", "value", "unit", "corrected"):
            unknown = ~here
        else:
            unknown = ours.isna() if name in NUMBERS else ours.isna() | ours.isin(["", "unknown"])
        frame[name] = ours.where(~unknown, theirs)
    frame = frame.astype(dict.fromkeys(NUMBERS, float) | dict.fromkeys(SWITCHES, bool))
    texts = [name for name in COLUMNS if name not in NUMBERS and name not in SWITCHES]
    frame[texts] = frame[texts].fillna("").astype("str")
    frame["source"] = np.select([here & logged, here], ["official+log", "official"], "log")
    return mark_duplicates(frame)[list(RESULT_COLUMNS)]


def disagreements(logs: Reading, official: Reading, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Results whose official value differs from their log's.

    Args:
        logs: of the submission logs.
        official: of the official tables.
        tolerance: relative difference that is not worth a line.

    Returns:
        A row each with both values and their ratio, largest difference first. Not compared are results of
        another scenario than their log: they were computed from it.
    """
    joined = _joined(logs, official)
    comparable = (joined["_merge"] == "both") & (joined["metric"] == joined["metric_log"])
    both = joined[comparable].rename(columns={"value": "official", "value_log": "logged"})
    both = both.assign(ratio=both["official"] / both["logged"])
    apart = np.log(both["ratio"]).abs()
    listed = both[apart > np.log1p(tolerance)]
    in_order = apart[listed.index].sort_values(ascending=False, kind="stable").index
    return listed.loc[in_order, list(_DIFFERENCE_COLUMNS)].reset_index(drop=True)


def unjoined(logs: Reading, official: Reading) -> pd.DataFrame:
    """Official rows without a log and, of rounds that have an official table, logs without an official row.

    Returns:
        ``round``, ``location``, ``missing`` (``log`` or ``official row``).
    """
    joined = _joined(logs, official)
    with_table = joined["round"].isin(official.rows["round"].unique())
    alone = joined[with_table & (joined["_merge"] != "both")]
    missing = np.where(alone["_merge"] == "left_only", "log", "official row")
    return alone[_KEY].assign(missing=missing).reset_index(drop=True)


def _joined(logs: Reading, official: Reading) -> pd.DataFrame:
    """Official columns under their names, the log's with ``_log`` behind, ``_merge`` as pandas says."""
    for rows, of in ((logs.rows, "logs"), (official.rows, "official tables")):
        require(not rows.duplicated(_KEY).any(), f"a location stands twice in a round of the {of}")
    theirs = logs.rows.rename(columns={name: f"{name}_log" for name in COLUMNS if name not in _KEY})
    joined = official.rows.merge(theirs, on=_KEY, how="outer", indicator=True)
    return joined.sort_values(_KEY, kind="stable", ignore_index=True)
