"""Arithmetic, trees and both on measured memory: each row predicted by a model that never saw its network."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold, fit_normaliser
from perfseer.data.platforms import ROW_COLUMNS, Platform
from perfseer.data.settings import LabelSettings
from perfseer.errors import require
from perfseer.evaluation.group_folds import draw
from perfseer.evaluation.ledger import VALID, Contender, Entry, Ledger, Trial
from perfseer.evaluation.metrics import mape_pct
from perfseer.evaluation.trials import Log, fit
from perfseer.predictors.library.memory import MemoryPredictor, MemorySettings
from perfseer.predictors.memory.margins import Margin, margin_key
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.table import term_table
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

Method = Literal["analytic", "learned", "both"]
METHODS: tuple[Method, ...] = get_args(Method)
TARGETS: tuple[str, ...] = tuple(name for name in TARGET_NAMES if TARGET_BY_NAME[name].quantity == "mem")


@dataclass(frozen=True)
class Protocol:
    """How methods are compared.

    Attributes:
        seeds: each draws folds anew.
        folds: of architectures.
        valid_share: of the training architectures, to calibrate intervals on.
        confidence: of those intervals.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    folds: int = 5
    valid_share: float = 0.125
    confidence: float = 0.9


def compare(data: Dataset, labels: LabelSettings, protocol: Protocol, log: Log) -> pd.DataFrame:
    """Predict every row out of fold by every method.

    Args:
        data: rows with measured memory.
        labels: how labels are scaled; the predictor's contract wants it.
        protocol: folds and seeds.
        log: receives a line now and then.

    Returns:
        A row per method, seed, label (``target``) and configuration, with its architecture; what was measured
        and predicted and the ends of its interval in MiB.

    Raises:
        PerfseerError: the data has no memory labels, or too few architectures.
    """
    require(set(TARGETS) <= set(data.targets), "the dataset has no measured memory of both phases")
    parts = []
    for seed in protocol.seeds:
        drawn = draw(data.rows, "architecture", seed, protocol.folds, protocol.valid_share)
        for place in range(protocol.folds):
            train, valid, test = (data.subset(part) for part in drawn.parts(data.rows, place))
            fold = Fold("architecture", seed, train, valid, test, fit_normaliser(train, labels))
            for method in METHODS:
                parts += _predicted(fold, method, protocol.confidence)
        log(f"seed {seed}: {protocol.folds} folds")
    return pd.concat(parts, ignore_index=True)


def _predicted(fold: Fold, method: Method, confidence: float) -> list[pd.DataFrame]:
    """A table for each label."""
    test, model = fold.test, MemoryPredictor(MemorySettings(method=method), TARGETS)
    fit(model, fold, log=lambda _: None)  # one of dozens of fits
    values, ends = model.predict(test), model.intervals(test, confidence)
    assert ends is not None
    return [
        pd.DataFrame(
            {
                "method": method,
                "seed": fold.seed,
                "target": target,
                "configuration": test.rows["configuration"],
                "architecture": test.rows["architecture"],
                "measured_mib": test.labels[:, TARGET_NAMES.index(target)],
                "predicted_mib": values[target],
                "low_mib": ends[f"{target}_low"],
                "high_mib": ends[f"{target}_high"],
            }
        )
        for target in TARGETS
    ]


def contender(method: str) -> Contender:
    """A method in the ledger."""
    return Contender("memory", method, "architecture")


def ledger(predictions: pd.DataFrame, confidence: float) -> Ledger:
    """MAPE [%] of every method, seed and label of what `compare` gives; ``confidence`` over seeds."""
    trials = []
    for _, rows in predictions.groupby(["method", "seed", "target"]):
        method, seed, target = rows.iloc[0][["method", "seed", "target"]]
        error = mape_pct(rows["measured_mib"], rows["predicted_mib"])
        entry = Entry(target, "mape_pct", error, len(rows))
        trials.append(Trial(contender(method), int(seed), (entry,), VALID))
    return Ledger.of("memory", trials, confidence)


def measured_margins(data: Dataset) -> dict[str, Margin]:
    """Margins of the arithmetic from measured memory, by `margin_key`.

    Args:
        data: rows with measured memory and the columns of a platform.

    Raises:
        PerfseerError: a column is missing.
    """
    missing = [name for name in ROW_COLUMNS if name not in data.rows.columns]
    require(not missing, f"rows lack the columns {missing}, which say what they were measured on")
    platforms = Platform.of_rows(data.rows)
    margins = {}
    for target in TARGETS:
        phase = TARGET_BY_NAME[target].phase
        keys = np.array([margin_key(MemorySetup.of(platform), phase) for platform in platforms])
        measured = data.labels[:, TARGET_NAMES.index(target)]
        residuals = np.log(measured / term_table(data, phase).computed_mib)
        for key in np.unique(keys):
            rows = (keys == key) & np.isfinite(residuals)
            devices = sorted({one.device for one, inside in zip(platforms, rows, strict=True) if inside})
            basis = f"{int(rows.sum())} measurements"
            margins[str(key)] = Margin.of_residuals(residuals[rows], basis, tuple(devices))
    return margins
