"""What a predictor says of measured rows on devices it never saw, a row each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.files import read_parquet, write_parquet
from perfseer.data.platforms import Platform
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.records import as_floats
from perfseer.evaluation.trials import Log
from perfseer.forecast.host_clock import host_of
from perfseer.forecast.strangeness import STRANGE_COLUMNS, strangeness
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.roofline import Work, row_features
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS, nominal_rates, work_profile
from perfseer.studies.devices.fitting import Leaving
from perfseer.studies.devices.rows import GRAPHS_FILE, ROWS_FILE, device_of, read_rows
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.published_times import kernels_started
from perfseer.targets import PHASES, Phase

ERRORS_FILE = "errors.parquet"
_AS_IT_IS = "whole"
WRITTEN_BY = "perfseer devices fit"
# Of a row: who published it, where it was measured, what ran; its time [ms]; what a predictor says for the
# device alone; a roofline at the reached rates; kernels started and the median time of a host that nobody
# knows; what is strange about it; and what kind of work it is.
_DESCRIBED = tuple(dict.fromkeys((*STRANGE_COLUMNS, *PROFILE_COLUMNS)))
COLUMNS: tuple[str, ...] = (
    *("source", "device", "platform", "device_kind", "precision", "mode", "phase"),
    *("architecture", "batch_size", "measured_ms", "predicted_ms", "roofline_ms"),
    *("launches", "host_ms", *_DESCRIBED),
)
# Which fit it was, and what that was made from.
_OF_FIT: tuple[str, ...] = ("seed", "fold", "made_from")
# Settings that fits do not depend on.
_AFTERWARDS = frozenset({"predictor", "confidence", "known", "variants", "seeds"})

_POSITIVE = ("batch_size", "measured_ms", "predicted_ms", "roofline_ms", "launches")
_WORDS: Mapping[str, Sequence[str]] = {
    "phase": PHASES,
    "device_kind": ("cpu", "cuda"),
    "mode": ("eager", "compiled"),
}


def made_from(settings: DevicesSettings, folder: Path) -> str:
    """Digest of what a fit depends on: settings, and what was gathered into a folder.

    Code is Snakemake's to watch: a change of it does not make fits that took an hour worthless.
    """
    given = settings.model_dump(mode="json", exclude=set(_AFTERWARDS))
    return digest([as_floats(given), *(file_digest(folder / name) for name in (ROWS_FILE, GRAPHS_FILE))])


def fit_fold(settings: DevicesSettings, folder: Path, seed: int, fold: int, log: Log) -> pd.DataFrame:
    """Fit without the devices of a fold, and predict the rows they are judged by.

    Args:
        settings: section ``devices``.
        folder: that `perfseer devices gather` wrote to.
        seed: of the draw.
        fold: of the devices.
        log: receives a line now and then.

    Returns:
        A row for each judged row and phase: `COLUMNS`, ``seed``, ``fold``, ``made_from``.

    Raises:
        PerfseerError: nothing was gathered, or learning diverged.
    """
    require(0 <= fold < settings.folds, f"no fold {fold} of devices; there are 0 to {settings.folds - 1}")
    leaving = Leaving(settings, read_rows(folder), seed)
    model = leaving.fit(fold, log)
    judged = leaving.data.subset(leaving.judged(fold))
    table = _predicted(model, judged)
    for device, rows in table.groupby("device"):
        off = 100 * float((rows["predicted_ms"] / rows["measured_ms"] - 1).abs().mean())
        log(f"{device}: {off:.3g} % over {len(rows)} times")
    return table.assign(seed=seed, fold=fold, made_from=made_from(settings, folder))


def fit_to_folder(
    settings: DevicesSettings, folder: Path, variant: str | None, seed: int, fold: int, log: Log
) -> Path:
    """Fit a fold as a variant has it, unless its table is there and was made from the same.

    Returns:
        Where the table lies.

    Raises:
        PerfseerError: there is no such variant, seed or fold; or as `fit_fold`.
    """
    names = ", ".join(settings.variants) or "none"
    require(variant is None or variant in settings.variants, f"no variant {variant!r}; there are {names}")
    chosen = settings.variant(variant)
    require(seed in chosen.seeds, f"devices.seeds has {list(chosen.seeds)}, not {seed}")
    path = folder / place(variant, seed, fold)
    if path.is_file() and _made_from(path) == made_from(chosen, folder):
        log(f"{path} is of the same settings and rows: kept")
        return path
    write_errors(path, fit_fold(chosen, folder, seed, fold, log))
    return path


def place(variant: str | None, seed: int, fold: int) -> Path:
    """Where the table of a fit lies, below the study's folder."""
    return Path(variant or _AS_IT_IS, str(seed), str(fold), ERRORS_FILE)


def _made_from(path: Path) -> str | None:
    """What a table says that it was made from; None where it cannot be read."""
    try:
        return str(_read(path)["made_from"].iloc[0])
    except PerfseerError:
        return None


def _predicted(model: Predictor, data: Dataset) -> pd.DataFrame:
    """Rows, predicted for the device alone."""
    values = model.predict(data)
    platforms = Platform.of_rows(data.rows)
    keys = np.array([platform.key for platform in platforms])
    parts = []
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        for phase in PHASES:
            label = f"{phase}_time_ms"
            timed = rows[~np.isnan(data.label(label)[rows])]
            if len(timed) and label in values:
                part = _described(data.subset(timed), phase, platforms[rows[0]])
                parts.append(part.assign(predicted_ms=values[label].to_numpy()[timed]))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _described(rows: Dataset, phase: Phase, platform: Platform) -> pd.DataFrame:
    """What was measured, on what, and what physics says of it."""
    host, rates = host_of(platform, phase, trained=False, least_us=None), nominal_rates(platform)
    is_operator = rows.rows["is_operator"].to_numpy(dtype=bool)
    started = kernels_started(rows, phase)
    strange = strangeness(rows, phase, platform)
    profile = work_profile(rows, phase, rates)
    table = pd.DataFrame(
        {
            "source": rows.rows["published_by"],
            "device": device_of(platform).key,
            "platform": platform.key,
            "device_kind": platform.device_kind,
            "precision": platform.precision,
            "mode": platform.mode,
            "phase": phase,
            "architecture": rows.rows["architecture"],
            "batch_size": rows.rows["batch_size"].astype(int),
            "measured_ms": rows.label(f"{phase}_time_ms"),
            "roofline_ms": rates.milliseconds(Work.of(row_features(rows), phase)),
            "launches": started,
            # a kernel by itself is timed without its launch
            "host_ms": [
                host.clock.ms(int(count)) if host and not alone else 0.0
                for count, alone in zip(started, is_operator, strict=True)
            ],
        }
    )
    columns = dict(zip((*STRANGE_COLUMNS, *PROFILE_COLUMNS), np.hstack([strange, profile]).T, strict=True))
    return table.assign(**columns)


def write_errors(path: Path, errors: pd.DataFrame) -> None:
    """Write what `fit_fold` gave."""
    write_parquet(path, errors)


def read_errors(folder: Path, settings: DevicesSettings, variant: str | None = None) -> pd.DataFrame:
    """All that `perfseer devices fit` wrote for the section, or a variant of it, by seeds and folds.

    Args:
        folder: of the study.
        settings: section ``devices``.
        variant: None for the section as it is.

    Raises:
        PerfseerError: there is no table, one was made from other settings or rows than those there are, lacks
            a column, or holds what was never written there.
    """
    chosen = settings.variant(variant)
    seeds = chosen.seeds if variant is None else chosen.seeds[:1]
    places = [folder / place(variant, seed, fold) for seed in seeds for fold in range(chosen.folds)]
    whole = pd.concat([_read(path) for path in places], ignore_index=True)
    expected = made_from(chosen, folder)
    others = sorted(set(whole["made_from"]) - {expected})
    require(
        not others,
        f"fits below {folder} were made from other settings or rows than there are now ({', '.join(others)}, "
        f"expected {expected}): run `{WRITTEN_BY}` for all folds",
    )
    return whole


def _read(path: Path) -> pd.DataFrame:
    numbers = (*_POSITIVE, "host_ms", *_DESCRIBED, "seed", "fold")
    errors = read_parquet(path, (*COLUMNS, *_OF_FIT), WRITTEN_BY, numbers)
    require(len(errors) > 0, f"{path} is empty: run `{WRITTEN_BY}`")
    for name, sound in _sound(errors).items():
        faults = np.flatnonzero(~sound.to_numpy(dtype=bool))
        if len(faults):
            value = errors[name].iloc[faults[0]]
            raise PerfseerError(
                f"{path} has {name} = {value} in row {faults[0]}, which was never written there: run "
                f"`{WRITTEN_BY}` again"
            )
    return errors


def _sound(errors: pd.DataFrame) -> "dict[str, pd.Series[bool]]":
    """Of every column, which of its values can be."""
    zero_to = {"host_ms": np.inf, "seed": np.inf, "fold": np.inf}
    shares = {name: 1.0 + 1e-9 for name in _DESCRIBED if name.endswith("_share")}
    numbers = (*_POSITIVE, *_DESCRIBED, *zero_to)
    finite = {name: np.isfinite(errors[name].astype(float)) for name in numbers}
    known = errors.columns.difference([*finite, *_WORDS, "made_from"])
    return {
        **{name: errors[name].notna() for name in known},
        **{name: errors[name].isin(list(words)) for name, words in _WORDS.items()},
        **finite,
        **{name: finite[name] & (errors[name] > 0) for name in _POSITIVE},
        **{name: finite[name] & errors[name].between(0, most) for name, most in (zero_to | shares).items()},
        "made_from": errors["made_from"].notna() & (errors["made_from"] == errors["made_from"].iloc[0]),
    }
