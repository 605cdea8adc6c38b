"""What predicted memory suggests: the slice of a GPU, beside the one that measured memory asks for."""

from collections.abc import Mapping

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, count, share_text
from perfseer.studies.comparison.aligned import Aligned, measured, predicted
from perfseer.targets import TARGETS

MEMORIES = tuple(target for target in TARGETS if target.quantity == "mem")
# Upper bounds in MB (10^6 bytes) and profiles of an A100 with 40 GB, by size: DIPPM's rule (METHODS 4).
PROFILES = ((5_000.0, "1g.5gb"), (10_000.0, "2g.10gb"), (20_000.0, "3g.20gb"), (40_000.0, "7g.40gb"))
TOO_LARGE = "more than the whole device"


def mig_table(aligned: Aligned) -> str:
    """How often each predictor suggests the profile that measured memory needs, a smaller, a larger one."""
    if not any(target.name in aligned.errors for target in MEMORIES):
        return f"{MISSING}: no predictor predicts memory here."
    gaps = {
        (name, target.name): _gaps(aligned, name, target.name)
        for target in MEMORIES
        for name in aligned.predictors(target.name)
    }
    if not any(gap.any() for gap in gaps.values()):
        return "Every predictor of memory suggests the profile that is needed, for every test row."
    header, lines = ["predictor"], [[name] for name in aligned.experiment.predictors]
    for target in MEMORIES:
        header += [f"{target.title}: the profile needed", "too small", "too large"]
        for line in lines:
            line += _cells(aligned, gaps, line[0], target.name)
    return markdown_table(header, lines)


def _gaps(aligned: Aligned, predictor: str, target: str) -> IntArray:
    """[n] number of the suggested profile minus that of the needed one, over rows with a prediction."""
    suggested, needed = predicted(aligned, predictor, target), measured(aligned, target)
    known = np.isfinite(suggested)
    return profiles(suggested[known]) - profiles(needed[known])


def _cells(
    aligned: Aligned, gaps: Mapping[tuple[str, str], IntArray], predictor: str, target: str
) -> list[str]:
    if (predictor, target) not in gaps:
        return [aligned.experiment.absent(predictor, target)] * 3
    gap = gaps[predictor, target]
    return [share_text(int(side.sum()), len(gap)) for side in (gap == 0, gap < 0, gap > 0)]


def profiles(memory_mib: FloatArray) -> IntArray:
    """[n] number of the smallest profile whose bound lies above each; len(PROFILES) where none does."""
    bounds_mib = np.array([bound for bound, _ in PROFILES]) * 1e6 / 2**20
    return np.searchsorted(bounds_mib, memory_mib, side="right").astype(np.int64)


def needed_sentence(aligned: Aligned) -> str:
    """How many test rows need which profile by their measured memory."""
    parts = []
    for target in MEMORIES:
        if target.name not in aligned.errors:
            continue
        needed = profiles(measured(aligned, target.name))
        names = [*(name for _, name in PROFILES), TOO_LARGE]
        listed = [f"{names[i]} in {count(int(n))}" for i, n in enumerate(np.bincount(needed)) if n]
        parts.append(f"{target.title} needs {', '.join(listed)}")
    return (
        f"By measured memory, of {count(len(aligned.rows))} test rows: {'; '.join(parts)}." if parts else ""
    )
