"""Splits: which configurations are for training, for choosing, for testing.

- ``random``: configurations drawn at random, the paper's 2:1:1 (METHODS 1.4). Its test rows mostly have the
  same network in train at another batch size (METHODS 1.7, item 1): only for comparison with the paper.
- ``architecture``: whole networks drawn at random; no network is on two sides.
- ``family``: one style is held out, the i-th of the sorted styles (cyclic) for seed i. ``family`` of a
  network lists its stages' styles joined by ``+``. Test: networks with at least half of their stages of
  that style. Train and valid: networks without it. Those in between are on neither side (``unused``).

The draw orders keys by a hash of split, seed and key: it does not depend on the order of rows.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.settings import Fractions, SplitSettings
from perfseer.errors import PerfseerError, require

FOLDS: tuple[str, ...] = ("train", "valid", "test")
UNUSED = "unused"
HELD_OUT_SHARE = 0.5
Labels = npt.NDArray[np.object_]


def assign(rows: pd.DataFrame, split: str, seed: int, fractions: Fractions) -> Labels:
    """Fold of every row in one split at one seed.

    Args:
        rows: columns ``configuration`` (id), ``architecture`` and ``family``.
        split: ``random``, ``architecture`` or ``family``.
        seed: which draw.
        fractions: shares of the things drawn (configurations or architectures).

    Returns:
        [n] ``train``, ``valid``, ``test`` or ``unused``.

    Raises:
        PerfseerError: a fold would be empty, or one architecture has rows of two families.
    """
    salt = f"{split}:{seed}"
    if split == "family":
        folds = _hold_out(rows, held_out_style(rows["family"], seed), fractions, salt)
    else:
        key = {"random": "configuration", "architecture": "architecture"}[split]
        folds = _cut(rows[key], fractions.model_dump(), salt)
    counts = {fold: int((folds == fold).sum()) for fold in FOLDS}
    if min(counts.values()) == 0:
        raise PerfseerError(
            f"split {split!r} at seed {seed} leaves a fold empty: {counts} rows from "
            f"{rows['architecture'].nunique()} architectures and {len(styles(rows['family']))} styles. "
            "Measure more architectures, or take the split out of splits.names"
        )
    return folds


def assign_all(rows: pd.DataFrame, settings: SplitSettings, seeds: Iterable[int]) -> pd.DataFrame:
    """Every split at every seed: columns ``configuration``, ``split``, ``seed``, ``fold``.

    Raises:
        PerfseerError: as `assign`.
    """
    parts = [
        pd.DataFrame(
            {
                "configuration": rows["configuration"].to_numpy(),
                "split": split,
                "seed": seed,
                "fold": assign(rows, split, seed, settings.fractions),
            }
        )
        for split in settings.names
        for seed in seeds
    ]
    return pd.concat(parts, ignore_index=True)


def styles(families: "pd.Series[str]") -> list[str]:
    """Sorted style tokens of ``+``-joined families."""
    return sorted({token for family in families.unique() for token in family.split("+")})


def held_out_style(families: "pd.Series[str]", seed: int) -> str:
    """The style that the ``family`` split holds out at ``seed``."""
    tokens = styles(families)
    return tokens[seed % len(tokens)]


def _hold_out(rows: pd.DataFrame, style: str, fractions: Fractions, salt: str) -> Labels:
    """Test: at least half of the stages of ``style``; train and valid: none; the rest is unused."""
    families = rows.groupby("architecture")["family"].nunique()
    mixed = families.index[families > 1].tolist()
    require(not mixed, f"architectures with rows of several families cannot be split by family: {mixed[:5]}")
    share = rows["family"].map({family: _share(family, style) for family in rows["family"].unique()})
    folds = np.full(len(rows), UNUSED, dtype=object)
    folds[share >= HELD_OUT_SHARE] = "test"
    without = (share == 0).to_numpy()
    total = fractions.train + fractions.valid
    shares = {"train": fractions.train / total, "valid": fractions.valid / total}
    folds[without] = _cut(rows.loc[without, "architecture"], shares, salt)
    return folds


def _share(family: str, style: str) -> float:
    tokens = family.split("+")
    return tokens.count(style) / len(tokens)


def _cut(keys: "pd.Series[str]", shares: dict[str, float], salt: str) -> Labels:
    """Draw distinct keys into folds of the given shares; every fold but the first gets at least one."""
    distinct = sorted(keys.unique(), key=lambda key: hashlib.sha256(f"{salt}:{key}".encode()).digest())
    first, *others = shares
    counts = {fold: max(1, round(shares[fold] * len(distinct))) for fold in others}
    counts[first] = max(0, len(distinct) - sum(counts.values()))
    names = np.repeat(list(counts), list(counts.values()))[: len(distinct)]
    return keys.map(dict(zip(distinct, names, strict=True))).to_numpy(dtype=object)
