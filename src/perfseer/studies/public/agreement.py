"""How far two published files agree on the same models: the noise floor, and which labels look wrong.

Two files of one device differ by one common factor (another version of PyTorch is faster or slower) and by
what remains of each model. Nobody can predict one file from graphs better than about what remains.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from perfseer.evaluation.significance import clustered_bootstrap

# What must be the same for two rows to time the same thing in the same way.
_SAME = ("device", "phase", "precision", "memory_format", "mode")
_MODEL = ("model", "input_shape")
_FEW = 20  # models in common below which a common factor says nothing


@dataclass(frozen=True)
class Agreement:
    """Two files on the models they have in common.

    Attributes:
        first: name of the one with the newer software.
        second: name of the other.
        factor: median time per sample in the first over that in the second.
        mean_pct: mean of |ratio / factor - 1| over models [%].
        low_pct: lower end of its bootstrap interval over architectures [%].
        high_pct: upper end, likewise [%].
        median_pct: median of it [%].
        n: models in common.
    """

    first: str
    second: str
    factor: float
    mean_pct: float
    low_pct: float
    high_pct: float
    median_pct: float
    n: int


def common(facts: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Models that both files timed, one row each.

    Args:
        facts: as `facts.row_facts` gives them.
        first: name of a result file.
        second: name of another.

    Returns:
        configuration_first, configuration_second, architecture, ms_first and ms_second (ms per sample), and
        ``deviation``: ratio of the two over its median, minus 1.
    """
    timed = facts.assign(ms=facts["time_ms"] / facts["batch_size"]).drop_duplicates(["source", *_MODEL])
    own, other = (
        timed.loc[timed["source"] == name, [*_MODEL, "configuration", "ms"]] for name in (first, second)
    )
    joined = own.join(timed["architecture"]).merge(other, on=list(_MODEL), suffixes=("_first", "_second"))
    ratio = joined["ms_first"] / joined["ms_second"]
    joined["deviation"] = ratio / ratio.median() - 1.0
    return joined


def agreements(facts: pd.DataFrame, *, confidence: float, resamples: int) -> list[Agreement]:
    """Every pair of files that differ in the software alone and have enough models in common.

    Args:
        facts: as `facts.row_facts` gives them.
        confidence: of the bootstrap intervals, a share.
        resamples: of the bootstrap.
    """
    alike = ((first, second) for first, second, only_software in comparable(facts) if only_software)
    pairs = ((*names, common(facts, *names)) for names in alike)
    return [_agreement(*pair, confidence, resamples) for pair in pairs if len(pair[-1]) >= _FEW]


def floor_by_file(agreements: Iterable[Agreement]) -> dict[str, Agreement]:
    """File → its closest agreement with another version of the software: a bound on the noise of labels."""
    floors: dict[str, Agreement] = {}
    for pair in sorted(agreements, key=lambda pair: pair.mean_pct):
        floors.setdefault(pair.first, pair)
        floors.setdefault(pair.second, pair)
    return floors


def _agreement(first: str, second: str, joined: pd.DataFrame, confidence: float, resamples: int) -> Agreement:
    errors = 100.0 * joined["deviation"].abs().to_numpy()
    drawn = clustered_bootstrap(
        errors[:, np.newaxis], joined["architecture"], confidence=confidence, resamples=resamples, seed=0
    )
    factor = float((joined["ms_first"] / joined["ms_second"]).median())
    return Agreement(first, second, factor, *drawn.only, float(np.median(errors)), len(joined))


def comparable(facts: pd.DataFrame) -> Iterator[tuple[str, str, bool]]:
    """Pairs of files of one device and phase, newer software first; whether only the software differs."""
    files = {str(row["source"]): row for _, row in facts.drop_duplicates("source").iterrows()}
    ordered = sorted(files, key=lambda name: _version(str(files[name]["software"])), reverse=True)
    for first, second in combinations(ordered, 2):
        newer, older = files[first], files[second]
        if newer["device"] == older["device"] and newer["phase"] == older["phase"]:
            yield first, second, all(newer[name] == older[name] for name in _SAME)


def _version(software: str) -> list[int]:
    """Of ``torch 2.4.0 cu124``: [2, 4, 0]."""
    words = software.split()
    return [int(part) for part in words[1].split(".") if part.isdigit()] if len(words) > 1 else []
