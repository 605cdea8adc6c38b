"""Measuring on a device for calibration, and what was measured as rows to calibrate on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.building import KEY, NO_GRAPH, Progress, build_graphs
from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError, require
from perfseer.forecast.calibration import choose, measuring_cost_s
from perfseer.forecast.candidates import Candidate, configurations
from perfseer.forecast.card import Card, HeldOut
from perfseer.forecast.host_clock import host_bounds
from perfseer.forecast.software import parse_software, version_of
from perfseer.measure.named import measure_named
from perfseer.measure.plan import Configuration
from perfseer.measure.session import Collection, Logbook, Session
from perfseer.measure.settings import CollectSettings
from perfseer.measure.table import CONFIGURATION
from perfseer.predictors.base import Predictor
from perfseer.predictors.library.calibrated import CalibratedPredictor
from perfseer.targets import TARGET_NAMES, TARGETS, Phase

# Interval of a median over the median, beyond which a time says little about a device.
_WIDEST_TIME = 0.3


@dataclass(frozen=True)
class Errand:
    """What to measure on a device, and how.

    Attributes:
        settings: device, precision, layout, mode, batch sizes, budget, threads, protocol.
        phases: measured of each model.
        candidates: models there are; every one at every batch size is in the pool.
        wanted: rows to choose of the pool; None measures all of it in order.
    """

    settings: CollectSettings
    phases: tuple[Phase, ...]
    candidates: tuple[Candidate, ...]
    wanted: int | None


def measure_for(
    base: Predictor,
    errand: Errand,
    logbook: Logbook,
) -> Collection:
    """Choose what tells most about the device per second, and measure it; Ctrl-C loses nothing.

    Args:
        base: predicts what measuring costs.
        errand: what and how.
        logbook: where the journal is, and whom to tell; the same errand goes on where it was interrupted.

    Raises:
        PerfseerError: the machine, the journal or the installation is at fault, or the pool is too small.
        InterruptError: a signal came; the journal holds everything finished before.
    """
    settings = errand.settings
    pool = configurations(errand.candidates, settings.batch_sizes, settings)

    def chosen(session: Session) -> list[Configuration]:
        if errand.wanted is None:
            return pool

        def look(done: int, total: int) -> None:
            session.interrupts.check()
            if done == total:
                logbook.note(f"graphs of {total} models captured, to choose from")

        rows, captured = unmeasured(pool, session.environment, look)
        cost_s = measuring_cost_s(base, rows, errand.phases)
        platform = Platform.of_rows(rows.rows)[0]
        picked = choose(rows, errand.wanted, cost_s=cost_s, phase=errand.phases[0], platform=platform)
        return [captured[number] for number in picked]

    return measure_named(
        chosen,
        settings.protocol,
        settings.device,
        settings.threads,
        logbook,
        phases=errand.phases,
        budget_s=settings.time_budget_s,
    )


def unmeasured(
    pool: Sequence[Configuration], environment: Mapping[str, Any], progress: Progress
) -> tuple[Dataset, list[Configuration]]:
    """A pool as rows without labels, and its configurations in their order; what has no graph is left out.

    Args:
        pool: configurations.
        environment: fingerprint of the device.
        progress: called after every model captured.

    Raises:
        PerfseerError: no graph could be captured.
    """
    table = pd.DataFrame([asdict(one) for one in pool])
    table = table.assign(
        device=environment["device"],
        device_kind=environment["device_kind"],
        environment=canonical_json(dict(environment)),
        **dict.fromkeys(TARGET_NAMES, np.nan),
    )
    rows = _with_graphs(table, progress)
    return rows, [pool[number] for number in rows.rows["row"]]


def of_software(table: pd.DataFrame, software: str | None) -> pd.DataFrame:
    """The rows of a measurement table that were measured under a version of torch; all where None is named.

    Args:
        table: a measurement table (`perfseer.measure.table`).
        software: in any spelling (`perfseer.forecast.software.parse_software`).

    Raises:
        PerfseerError: it is no version, or no row was measured under it.
    """
    if software is None:
        return table
    wanted = version_of(parse_software(software))
    versions = [platform.torch_version for platform in Platform.of_rows(table)]
    chosen = table[[version == wanted for version in versions]].reset_index(drop=True)
    if chosen.empty:
        there = ", ".join(f"{major}.{minor}" for major, minor in sorted(set(versions))) or "none at all"
        raise PerfseerError(
            f"no row was measured under {parse_software(software)}; the table's versions of torch: {there}"
        )
    return chosen


def require_installed(software: str | None) -> None:
    """Nothing where no version is named, or the one that measurements will be made under.

    Raises:
        PerfseerError: it is no version, or another one is installed.
    """
    if software is None:
        return
    own = ".".join(version("torch").split(".")[:2])
    require(
        version_of(parse_software(software)) == version_of(f"torch {own}"),
        f"--software {software}: torch {own} is installed, under which models would be measured; install the "
        "other one, or give a table measured under it with --from",
    )


def measured_rows(table: pd.DataFrame) -> Dataset:
    """The successful rows of a measurement table, to calibrate on; labels it lacks stay missing.

    So do times that the machine disturbed: one in ten measurements off by ten times is worse than none.

    Args:
        table: a measurement table (`perfseer.measure.table`).

    Raises:
        PerfseerError: no row succeeded, or no graph could be captured.
    """
    good = table[table["status"] == "ok"].reset_index(drop=True)
    for target in TARGETS:
        values = good[target.name]
        sound = (
            np.isfinite(values) & (values > 0) & (values <= (100 if target.quantity == "util" else np.inf))
        )
        if target.quantity == "time":
            sound &= _steady(good, target.phase)
        good[target.name] = values.where(sound)
    good = good[good[list(TARGET_NAMES)].notna().any(axis=1)]
    if good.empty:
        reasons = sorted({str(reason) for reason in table["reason"] if reason})
        raise PerfseerError(
            f"none of {len(table)} measurements succeeded: {'; '.join(reasons[:3]) or 'there are none'}"
        )
    return _with_graphs(good)


def _steady(table: pd.DataFrame, phase: Phase) -> "pd.Series[bool]":
    """Whether a time is known: its median's interval is narrow or, without one, most iterations counted."""
    low, high = table[f"{phase}_time_ci_low_ms"], table[f"{phase}_time_ci_high_ms"]
    wide = (high - low) / table[f"{phase}_time_ms"] > _WIDEST_TIME
    disturbed = table[f"{phase}_disturbed_iterations"].fillna(0) >= table[f"{phase}_iterations"].fillna(1)
    return ~(wide | (low.isna() & disturbed))


def card_of(model: CalibratedPredictor, base: str, source: str, rows: Dataset) -> Card:
    """What there is to say about a calibrated predictor beside its files.

    Args:
        model: calibrated.
        base: name or folder of what was moved.
        source: where the measurements are from.
        rows: measured.
    """
    key = model.platforms[0].key if model.platforms else None
    held_out = tuple(
        HeldOut(
            target=key,
            label=name,
            grouping="architecture",
            mape_pct=shift.after_mape_pct,
            rows=shift.rows,
            batch_sizes=_batch_sizes(rows),
        )
        for name, shift in model.shifts_.items()
        if shift.after_mape_pct is not None
    )
    counts = [shift.architectures for shift in model.shifts_.values()]
    return Card(
        description=f"{base} calibrated with {max(counts)} models on {key or 'a device'}",
        sources=(source,),
        default_target=key,
        held_out=held_out,
        hosts=() if key is None else host_bounds(rows),
    )


def _batch_sizes(rows: Dataset) -> tuple[int, int]:
    sizes = rows.rows["batch_size"]
    return int(sizes.min()), int(sizes.max())


def _with_graphs(table: pd.DataFrame, progress: Progress | None = None) -> Dataset:
    """Rows with their graphs; ``row`` is the position in ``table``."""
    graphs, index = build_graphs(table, progress=progress)
    rows = table.assign(row=np.arange(len(table))).merge(index, on=list(KEY), suffixes=("", "_graph"))
    rows = rows[rows["graph"] != NO_GRAPH].sort_values("row")
    names = [digest(list(key)) for key in rows[list(CONFIGURATION)].itertuples(index=False)]
    return Dataset.from_rows(rows.assign(configuration=names), graphs)
