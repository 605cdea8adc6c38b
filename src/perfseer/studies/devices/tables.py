"""Tables of the report on unseen devices."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from perfseer.data.platforms import Platform
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.forecast.transfer import Regime
from perfseer.predictors.conformal import level_of
from perfseer.predictors.parts.work_profile import nominal_rates
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import count, number, share
from perfseer.studies.devices.rows import device_of
from perfseer.studies.devices.study import ENTRANTS, Study, error_pct, inside, median_device

_Group = tuple[tuple[str, ...], pd.DataFrame]
_PHASES = {"infer": "inference", "train": "training"}
_DECIDES = {"device": "the device", "host": "the host"}


def by_regime(study: Study) -> str:
    """Errors, coverage and width, by phase and by who decides how long a step takes."""
    return _compared(
        _groups(study.of_models, ("phase", "decides")),
        (("phase", lambda key: _PHASES[key[0]]), ("bound by", lambda key: _DECIDES[key[1]])),
    )


def by_precision(study: Study) -> str:
    """The same by precision and mode."""
    return _compared(
        _groups(study.of_models, ("phase", "precision", "mode")),
        (
            ("phase", lambda key: _PHASES[key[0]]),
            ("precision", lambda key: key[1]),
            ("mode", lambda key: key[2]),
        ),
    )


def by_device(study: Study) -> str:
    """The same by device, source and phase."""
    return _compared(
        _groups(study.rows, ("device", "source", "phase")),
        (
            ("device", lambda key: key[0]),
            ("published by", lambda key: f"`{key[1]}`"),
            ("phase", lambda key: _PHASES[key[2]]),
        ),
    )


def _groups(rows: pd.DataFrame, by: Sequence[str]) -> list[_Group]:
    return [(tuple(map(str, key)), part) for key, part in rows.groupby(list(by), sort=True)]


def _compared(groups: Iterable[_Group], named: Sequence[tuple[str, Callable[[tuple[str, ...]], str]]]) -> str:
    def of_key(cell: Callable[[tuple[str, ...]], str]) -> Callable[[_Group], str]:
        return lambda group: cell(group[0])

    def of_rows(cell: Callable[[pd.DataFrame], str]) -> Callable[[_Group], str]:
        return lambda group: cell(group[1])

    columns: list[Column[_Group]] = [(title, of_key(cell)) for title, cell in named]
    columns += [
        ("rows", of_rows(lambda rows: count(len(rows)))),
        ("devices", of_rows(lambda rows: str(rows["device"].nunique()))),
    ]
    columns += [(f"{title} [%]", of_rows(_error(column))) for column, title in ENTRANTS.items()]
    columns += [
        ("covered [%]", of_rows(lambda rows: number(100 * float(inside(rows).mean())))),
        ("high / low", of_rows(_width)),
    ]
    return table(groups, columns, "l" * len(named))


def _error(column: str) -> Callable[[pd.DataFrame], str]:
    def cell(rows: pd.DataFrame) -> str:
        value = error_pct(rows, column)
        return "n/a" if np.isnan(value) else number(value)

    return cell


def _width(rows: pd.DataFrame) -> str:
    return number(float((rows["answer_high_ms"] / rows["answer_low_ms"]).median()))


def after_measuring(study: Study) -> str:
    """Errors after a few models were measured: mean over seeds of the median device, by phase and source."""
    found = study.measured
    numbers = sorted(found["known"].unique().tolist())
    groups = _groups(found, ("phase", "source"))
    columns: list[Column[_Group]] = [
        ("phase", lambda group: _PHASES[group[0][0]]),
        ("published by", lambda group: f"`{group[0][1]}`"),
        ("devices", lambda group: str(group[1]["device"].nunique())),
        *((f"{known} [%]", _after(known)) for known in numbers),
    ]
    return table(groups, columns, "ll")


def _after(known: int) -> Callable[[_Group], str]:
    def cell(group: _Group) -> str:
        rows = group[1][group[1]["known"] == known]
        if not len(rows):
            return "–"
        of_devices = rows.groupby(["seed", "device"])["error_pct"].mean()
        return number(float(of_devices.groupby("seed").median().mean()))

    return cell


def variants(study: Study) -> str:
    """What a part of the method is worth, on the rows of the first seed."""
    first = study.rows[study.rows["seed"] == study.settings.seeds[0]]
    rows = [("as it is", first)]
    rows += [(study.settings.variants[name].says, part) for name, part in study.of_variants.items()]
    columns: list[Column[tuple[str, pd.DataFrame]]] = [("fitted", lambda row: row[0])]
    for phase in _PHASES:
        for column in ("predicted_ms", "answer_ms"):
            title = f"{_PHASES[phase]}, {ENTRANTS[column]}, median device [%]"
            columns.append((title, partial(_of_variant, phase=phase, column=column)))
    return table(rows, columns)


def _of_variant(row: tuple[str, pd.DataFrame], *, phase: str, column: str) -> str:
    rows = row[1][(row[1]["phase"] == phase) & (row[1]["decides"] == "device")]
    return number(median_device(rows, column)) if len(rows) else "n/a"


def regimes(study: Study) -> str:
    """What the shipped answers are moved by and how far their intervals reach."""
    rows = list(study.regimes.items())

    def of(cell: Callable[[Regime], str]) -> Callable[[tuple[str, Regime]], str]:
        return lambda row: cell(row[1])

    columns: list[Column[tuple[str, Regime]]] = [
        ("regime", lambda row: f"`{row[0]}`"),
        ("devices", of(lambda regime: str(len(regime.devices)))),
        ("rows", of(lambda regime: count(regime.rows))),
        *((f"exponent of `{name}`", of(_exponent(name))) for name in STRANGE_COLUMNS),
        ("median device [%]", of(lambda regime: number(regime.mape_pct))),
        ("worst device [%]", of(lambda regime: number(regime.worst_mape_pct))),
        ("covered at 90 % [%]", of(lambda regime: _or_na(regime.coverage_pct))),
        ("high / low at 90 %", of(lambda regime: number(float(np.exp(2 * regime.reach[level_of(0.9)]))))),
    ]
    return table(rows, columns)


def _exponent(name: str) -> Callable[[Regime], str]:
    place = STRANGE_COLUMNS.index(name)
    return lambda regime: number(float(regime.correction.exponents[place]))


def reached() -> str:
    """What the roofline takes of published peaks, in words."""
    platform = Platform("Tesla T4", "cuda", "fp32", "nchw", "eager", "torch")
    rates, peaks = nominal_rates(platform), device_of(platform)
    compute = rates.flops_per_s / peaks.peak_flops(platform.precision)
    memory = rates.bytes_per_s / peaks.bandwidth_bytes_per_s
    return f"{share(compute)} of the compute, {share(memory)} of the bandwidth"


def _or_na(value: float | None) -> str:
    return "n/a" if value is None else number(value)


def errors_table(study: Study) -> pd.DataFrame:
    """Every row: what was measured and what is answered, for ``dvc plots`` and for whoever wants to look."""
    kept = ["seed", "source", "platform", "phase", "architecture", "batch_size", "decides", "measured_ms"]
    return study.rows[[*kept, *ENTRANTS, "answer_low_ms", "answer_high_ms"]].round(6)
