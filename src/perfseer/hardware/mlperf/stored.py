"""What MLPerf observed, from the results that the database holds."""

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from perfseer.hardware import schema
from perfseer.hardware.mlperf.observed import counted, scaling_efficiency, server_to_offline, vendor_spread
from perfseer.hardware.queries import table_frame

OBSERVED_COLUMNS = ("observed", "n", "p10", "median", "p90")


def stored_results(connection: Connection) -> pd.DataFrame:
    """Closed results of accelerators as they are sold, for `perfseer.hardware.mlperf.observed`.

    ``accelerator`` is the key of the one kind in a system, "" where there are several or an unknown one.
    ``network`` is empty: that of the closed division is its benchmark's.
    """
    systems, results, benchmarks = schema.systems, schema.results, schema.benchmarks
    rows = pd.read_sql(
        select(
            *(systems.c[name] for name in ("round", "division", "submitter", "nodes", "total_accelerators")),
            *(systems.c.id, systems.c.system.label("system_id"), systems.c.accelerators_per_node),
            *(benchmarks.c.name.label("benchmark"), benchmarks.c.version.label("benchmark_version")),
            *(results.c[name] for name in ("scenario", "accuracy_target", "metric", "value", "power_w")),
            *(results.c[name] for name in ("valid", "inferred", "duplicate", "location")),
        )
        .join(systems, results.c.system_id == systems.c.id)
        .join(benchmarks, results.c.benchmark_id == benchmarks.c.id)
        .where(systems.c.division == "closed", systems.c.mig == "", systems.c.vgpu == "")
        .where(*(systems.c[name].is_(False) for name in ("maxq", "mixed", "virtualised"))),
        connection,
    )
    keys = table_frame(connection, schema.gpus).set_index("id")["key"]
    inside = table_frame(connection, schema.system_accelerators)
    alone = inside.drop_duplicates("system_id", keep=False).set_index("system_id")["gpu_id"].map(keys)
    numbers = ["nodes", "total_accelerators", "accelerators_per_node"]
    flags = ["valid", "inferred", "duplicate"]
    rows = rows.astype(dict.fromkeys(numbers, float) | dict.fromkeys(flags, bool))
    return rows.assign(
        accelerator=rows["id"].map(alone).fillna(""),
        duplicate_of=np.where(rows["duplicate"], "another", ""),
        network="",
    )


def observed_summary(results: pd.DataFrame) -> pd.DataFrame:
    """What results say of each other, all tasks together.

    Args:
        results: as of `stored_results`.

    Returns:
        `OBSERVED_COLUMNS`, all ratios [1]: tenth percentile, median, ninetieth percentile of ``n`` of each.
    """
    scaling = scaling_efficiency(results)
    size = results["total_accelerators"]
    smallest = size.groupby([results[name] for name in ("round", "submitter", "accelerator")])
    spread = vendor_spread(results)["spread"]
    asked = {
        "Server over Offline throughput": server_to_offline(results)["ratio"],
        "Interactive over Offline throughput": server_to_offline(results, "Interactive")["ratio"],
        "throughput per accelerator over that of the submitter's smallest system": scaling[
            size > smallest.transform("min")
        ],
        "distance between submitters on the same accelerators": spread,
    }
    rows: list[tuple[str, int, float, float, float]] = [
        ("closed results that are counted", len(counted(results)), np.nan, np.nan, np.nan)
    ]
    for what, values in asked.items():
        known = values.astype(float).dropna()
        low, middle, high = (float(known.quantile(share)) for share in (0.1, 0.5, 0.9))
        rows.append((what, len(known), low, middle, high))
    return pd.DataFrame(rows, columns=list(OBSERVED_COLUMNS))
