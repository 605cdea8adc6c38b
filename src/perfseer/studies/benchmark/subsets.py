"""Nested parts of a fold, drawn by network: what would be known had fewer networks been measured."""

import hashlib
from dataclasses import replace

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold


def nested(data: Dataset, share: float, salt: str) -> Dataset:
    """All rows of a share of the networks, at least one network.

    Args:
        data: rows with ``architecture``.
        share: of the networks, in (0, 1].
        salt: which draw; with the same salt, a smaller share is part of a larger one.
    """
    names = data.rows["architecture"]
    order = sorted(names.unique(), key=lambda name: hashlib.sha256(f"{salt}:{name}".encode()).digest())
    kept = order[: max(1, round(share * len(order)))]
    return data.subset(np.flatnonzero(names.isin(kept)))


def shrunk(fold: Fold, share: float) -> Fold:
    """The fold with a share of the networks of its training and of its validation rows, and all test rows.

    Its normaliser is still that of all training rows.
    """
    train, valid = (nested(part, share, f"benchmark:{fold.seed}") for part in (fold.train, fold.valid))
    return replace(fold, train=train, valid=valid)
