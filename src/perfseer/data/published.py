"""Rows that others published, as a measurement table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from perfseer.digests import canonical_json, digest
from perfseer.errors import require
from perfseer.measure.soundness import settled
from perfseer.measure.table import COLUMNS, typed_table

# What a row is where its publisher's table has no such column.
_USUAL: dict[str, Any] = {
    **{"model_spec": "", "precision": "fp32", "memory_format": "nchw", "mode": "eager"},
    **{"status": "ok", "reason": ""},
}


def published_table(
    rows: pd.DataFrame,
    *,
    device: str,
    device_kind: str,
    protocol: Mapping[str, Any],
    protocol_version: int,
    environment: Mapping[str, Any],
) -> pd.DataFrame:
    """Published rows as a measurement table; what cannot have been measured has failed (`soundness.settled`).

    Args:
        rows: columns of `measure.table.COLUMNS`. Those that are absent are null, but for ``precision``
            (fp32), ``memory_format`` (nchw), ``mode`` (eager) and ``status`` (ok).
        device: what was measured.
        device_kind: ``cpu`` or ``cuda``.
        protocol: how it was measured, as far as is known.
        protocol_version: a number of the source's own, so that no table passes for one measured here.
        environment: what else is known, ``torch`` for one.

    Raises:
        PerfseerError: a column is unknown or ill-typed.
    """
    facts = {"device": device, "device_kind": device_kind, **environment}
    constants: dict[str, Any] = {
        "device": device,
        "device_kind": device_kind,
        "environment": canonical_json({**facts, "digest": digest(facts)}),
        "protocol": canonical_json(protocol),
        "protocol_version": protocol_version,
        "order": np.arange(len(rows)),
    }
    absent = {name: value for name, value in _USUAL.items() if name not in rows.columns}
    unknown = [name for name in rows.columns if name not in COLUMNS]
    require(not unknown, f"a measurement table has no columns {', '.join(unknown)}")
    return settled(typed_table(rows.reindex(columns=list(COLUMNS)).assign(**absent, **constants)))
