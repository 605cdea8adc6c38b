"""The predictor that comes with the package: the study's subject, fitted on the rows of every file.

A share of the architectures calibrates its intervals, as in a fold of the study. What is known of its errors
is the study's: a fold's predictor learned from four fifths of the groups, this one from nearly all.
"""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.sources.timm_results.names import parse_name
from perfseer.errors import PerfseerError
from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.records import RECORD_FILE
from perfseer.evaluation.trials import Log
from perfseer.forecast.card import Card, HeldOut, write_card
from perfseer.forecast.host_clock import host_bounds
from perfseer.studies.public import source
from perfseer.studies.public.fitting import Case, draw_folds
from perfseer.studies.public.records import inside
from perfseer.studies.public.settings import PublicSettings


def ship(settings: PublicSettings, study: Path, out: Path, log: Log) -> None:
    """Fit the study's subject on all files and save it with its card.

    Args:
        settings: section ``public``.
        study: folder of the study's records, which say how far off the subject is.
        out: folder to write, such as src/perfseer/shipped/default.
        log: receives a line now and then.

    Raises:
        PerfseerError: a record of the subject is missing, files cannot be had, or learning diverged.
    """
    held_out = tuple(
        _held_out(str(file), grouping, rows)
        for grouping in settings.groupings
        for file, rows in _predictions(settings, study, grouping).groupby("source", sort=False)
    )
    case = Case(settings, settings.subject, settings.groupings[0], settings.seeds[0])
    data = source.dataset(settings, settings.files)
    aside = draw_folds(settings, case.grouping, case.seed).kept_aside(data.rows)
    learned = np.setdiff1d(np.arange(len(data)), aside)
    fitted = case.fit(data.subset(learned), data.subset(aside), log)
    elsewhere = source.elsewhere(settings, case.grouping, data.rows[case.grouping].iloc[aside])
    fitted.model.save(out)
    card = Card(
        description=_description(settings, data, elsewhere),
        commit=_commit(),
        dataset_digest=source.data_digest(settings),
        sources=(*settings.files, *settings.elsewhere),
        default_target=parse_name(settings.headline[0])[0].key,
        held_out=held_out,
        hosts=host_bounds(data),
    )
    write_card(out, card)
    log(f"{fitted.model.n_parameters_:,} numbers, fitted in {fitted.fit_s:.0f} s, saved to {out}")


def _description(settings: PublicSettings, data: Dataset, elsewhere: Dataset | None) -> str:
    """What it learnt from, in a line."""
    text = (
        f"{settings.subject}: times, from {len(data):,} results of {data.rows['architecture'].nunique():,} "
        f"architectures in {len(settings.files)} files of timm"
    )
    if elsewhere is None:
        return text
    devices = elsewhere.rows["device"].nunique()
    return (
        f"{text}; its network also from {len(elsewhere):,} times of models and operators on {devices} others"
    )


def _held_out(file: str, grouping: Grouping, rows: pd.DataFrame) -> HeldOut:
    """Errors of the subject on unseen groups of one platform and phase, over all seeds."""
    platform, phase = parse_name(file)
    errors, covered = (rows["predicted_ms"] / rows["actual_ms"] - 1).abs(), inside(rows)
    return HeldOut(
        target=platform.key,
        label=f"{phase}_time_ms",
        grouping=grouping,
        mape_pct=round(100 * float(errors.mean()), 3),
        rows=int(rows["configuration"].nunique()),
        interval_coverage_pct=None if covered is None else round(100 * float(covered.mean()), 2),
        batch_sizes=(int(rows["batch_size"].min()), int(rows["batch_size"].max())),
    )


def _predictions(settings: PublicSettings, study: Path, grouping: Grouping) -> pd.DataFrame:
    """Out-of-fold predictions of the subject at every seed."""
    tables = []
    for seed in settings.seeds:
        case = Case(settings, settings.subject, grouping, seed)
        for fold in case.entrant.folds:
            folder = study / case.folder / str(fold)
            record = case.kept(folder)
            if record is None:
                raise PerfseerError(
                    f"no present record in {folder}: run `perfseer public fit --entrant {case.name} "
                    f"--grouping {grouping} --seed {seed}` first"
                )
            tables.append(record.read_table(folder / RECORD_FILE))
    return pd.concat(tables, ignore_index=True)


def _commit() -> str | None:
    """The commit of the checkout this runs from; None outside of one."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
