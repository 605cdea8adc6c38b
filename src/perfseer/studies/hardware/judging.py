"""What ``perfseer hardware quality`` answers, each as a table."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

import pandas as pd
from sqlalchemy import Connection

from perfseer.hardware import schema
from perfseer.hardware.imputation import validate_imputation
from perfseer.hardware.mlperf.closed_names import closed_names
from perfseer.hardware.mlperf.rounds import order
from perfseer.hardware.mlperf.stored import observed_summary, stored_results
from perfseer.hardware.quality import check_all, coverage, published_alone
from perfseer.hardware.queries import read_specs, table_frame
from perfseer.hardware.settings import HardwareSettings

Judgement = Callable[[Connection, HardwareSettings], pd.DataFrame]


def judged(what: str, connection: Connection, settings: HardwareSettings) -> pd.DataFrame:
    """One of `JUDGEMENTS`."""
    return JUDGEMENTS[what](connection, settings)


def _expectations(connection: Connection, settings: HardwareSettings) -> pd.DataFrame:
    return check_all(read_specs(connection), settings.quality)[0]


def _coverage(connection: Connection, _: HardwareSettings) -> pd.DataFrame:
    specs = read_specs(connection)
    return coverage(published_alone(specs), specs)


def _imputation(connection: Connection, settings: HardwareSettings) -> pd.DataFrame:
    check = validate_imputation(read_specs(connection), settings.imputation)
    rows = [(name.replace("_", " "), float(value)) for name, value in asdict(check).items()]
    return pd.DataFrame(rows, columns=["measure", "value"])


def _closed_names(connection: Connection) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = (schema.systems, schema.system_accelerators, schema.results)
    return closed_names({table.name: table_frame(connection, table) for table in tables})


def _names(connection: Connection, _: HardwareSettings) -> pd.DataFrame:
    rounds, _unknown = _closed_names(connection)
    return rounds.sort_values("round", key=lambda names: names.map(order), ignore_index=True)


def _unknown(connection: Connection, _: HardwareSettings) -> pd.DataFrame:
    return _closed_names(connection)[1]


def _quarantine(connection: Connection, _: HardwareSettings) -> pd.DataFrame:
    rows = table_frame(connection, schema.quarantine)
    source = table_frame(connection, schema.sources).set_index("id")["name"]
    return rows.assign(source=rows["source_id"].map(source))[["source", "row", "column", "value", "reason"]]


def _observed(connection: Connection, _: HardwareSettings) -> pd.DataFrame:
    return observed_summary(stored_results(connection))


JUDGEMENTS: Mapping[str, Judgement] = MappingProxyType(
    {
        "expectations": _expectations,
        "coverage": _coverage,
        "imputation": _imputation,
        "names": _names,
        "unknown": _unknown,
        "quarantine": _quarantine,
        "observed": _observed,
    }
)
