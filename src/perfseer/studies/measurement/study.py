"""What measurement.md is rendered from: the measurement table, and what was measured beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.evaluation.noise import ProtocolComparison, noise_floors, protocol_differences
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.graphs.perfgraph import FloatArray
from perfseer.measure.table import read_table
from perfseer.measure.trust.sanity import Finding, check_table
from perfseer.measure.trust.settings import TrustSettings
from perfseer.plain_data import json_object
from perfseer.reporting.floors import Floors, require_comparable
from perfseer.reporting.settings import MeasurementAims
from perfseer.validation import section

# Below the results folder: the measurement table, configurations measured again, the short protocol against a
# long one. Only the first must exist.
TABLES = tuple(f"measurements/{name}.parquet" for name in ("local", "repeats", "protocol"))


@dataclass(frozen=True)
class Study:
    """The inputs of the document.

    Attributes:
        table: the measurement table, at least one row.
        repeats: likewise, configurations of ``table`` measured again; None where nobody did.
        protocol: likewise, short and long rows of the same configurations; None where nobody did.
        compared: what ``protocol`` shows; None without it.
        floors: label → noise floor; empty without repeats.
        findings: every rule a table must obey, and what violates it.
        aims: what the measuring is held against.
        confidence: of the intervals over configurations.
    """

    table: pd.DataFrame
    repeats: pd.DataFrame | None
    protocol: pd.DataFrame | None
    compared: ProtocolComparison | None
    floors: Floors
    findings: Sequence[Finding]
    aims: MeasurementAims
    confidence: float

    @cached_property
    def finished(self) -> pd.DataFrame:
        """Rows with status ``ok``, by order."""
        return self.table[self.table["status"] == "ok"].sort_values("order", kind="stable")

    @cached_property
    def protocols(self) -> list[dict[str, Any]]:
        """The distinct protocols of the table; empty where it does not say."""
        texts = sorted(set(self.table["protocol"].dropna()) - {""})
        return [parsed for text in texts if (parsed := json_object(text)) is not None]


def load_study(parameters: Mapping[str, Any], results: Path) -> Study:
    """Read and check everything.

    Args:
        parameters: raw mapping of params.yaml; sections ``trust``, ``report`` and ``evaluation``.
        results: folder the verbs wrote to.

    Raises:
        PerfseerError: the table is missing or empty, a file is damaged, repeats or protocol study do not
            belong to the table, or a section of the parameters is at fault.
    """
    measured, again, beside = (results / name for name in TABLES)
    table = read_table(measured)
    require(len(table) > 0, f"{measured} has no row; measure with `perfseer collect`")
    repeats, protocol = (read_table(path) if path.is_file() else None for path in (again, beside))
    if repeats is not None:
        require_comparable(table, repeats, again)
    if protocol is not None:
        # Its long rows have a protocol of their own; the short one's must be the table's.
        short = protocol[protocol["protocol"].isin(table["protocol"])]
        require_comparable(table, short if len(short) else protocol, beside)
    confidence = section(EvaluationSettings, parameters, "evaluation").confidence
    trust = TrustSettings.from_mapping(parameters.get("trust", {}))
    return Study(
        table=table,
        repeats=repeats,
        protocol=protocol,
        compared=None if protocol is None else protocol_differences(protocol),
        floors={} if repeats is None else noise_floors(table, repeats, confidence),
        findings=check_table(table, trust.sanity),
        aims=section(MeasurementAims, parameters, "report.measurement"),
        confidence=confidence,
    )


def known(rows: pd.DataFrame, column: str) -> FloatArray:
    """[k] finite values of a column in the order of ``rows``."""
    values = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return values[np.isfinite(values)]
