"""Published figures with their sources (METHODS 1.1, 1.3, 1.5, 1.6, 2.2, 3, 4). None is measured here.

Accuracy stands in ``published.csv``, a row per figure. Figures only remembered, which could not be checked,
are left out; an empty ``value`` is a figure that was looked for and is not published.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("published.csv")
PAPER = "PerfSeer paper (arXiv 2502.01206)"
PAPER_REPOSITORY = "upuuuuuu/PerfSeer, README"
PEER = "JustinLinKK/PerfSeer-predictor"
CITED = f"{PAPER}, as cited in {PEER}"
PUBLISHED_SPLIT = "random"


@dataclass(frozen=True)
class PublishedFigure:
    """One figure of one system.

    Attributes:
        document: the first that shows it: perfseer for SeerNet itself, comparison for what other systems
            publish of themselves or of each other.
        system: as the source names it.
        predictor: our predictor it corresponds to.
        target: column name, or ``mean`` over the six labels.
        metric: key of our records' metrics.
        value: in the metric's unit, None where not published.
        split: ours that asks most nearly the same question.
        differs: what is not the same there, besides device and data.
        source: where the figure stands.
    """

    document: str
    system: str
    predictor: str
    target: str
    metric: str
    value: float | None
    split: str
    differs: str
    source: str


def _figure(value: str, **names: str) -> PublishedFigure:
    return PublishedFigure(value=float(value) if value else None, **names)


def _read(document: str) -> tuple[PublishedFigure, ...]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_figure(**row) for row in csv.DictReader(file) if row["document"] == document)


SEERNET, OTHERS = _read("perfseer"), _read("comparison")

# Parameters of one model. Ours differ with the width set in params.yaml.
PARAMETERS: tuple[tuple[str, str, int, str], ...] = (
    ("SeerNet (paper)", "seernet", 1_020_000, CITED),
    ("SeerNet-Multi (paper)", "seernet_multi", 1_150_000, CITED),
    ("SeerNet (reproduction), one of six", "seernet", 1_263_107, f"{PEER}, derived from its code"),
    ("BRP-NAS", "brp_nas", 1_091_401, "SamsungLabs/eagle, derived from its code"),
    ("DIPPM, about", "dippm", 3_450_000, "karthickai/dippm, derived from its code"),
)


@dataclass(frozen=True)
class PublishedTime:
    """Published wall time of predicting one network.

    Attributes:
        milliseconds: of one prediction [ms].
        what: what is timed.
    """

    system: str
    predictor: str
    milliseconds: float
    what: str
    source: str


_LEDGER = f"{PEER}, ledger run full_20260601_122347"
_RYZEN = "forward pass only, batch 1, median; Ryzen 9 9950X3D, 32 threads"
PREDICTING: tuple[PublishedTime, ...] = (
    PublishedTime(
        "SeerNet (paper)", "seernet", 250.0, "features 248 ms, network 2.0 ms; hardware not found", CITED
    ),
    PublishedTime("SeerNet-Multi (paper)", "seernet_multi", 250.0, "features 248 ms, network 2.1 ms", CITED),
    PublishedTime("SeerNet (reproduction)", "seernet", 6.934, _RYZEN, _LEDGER),
    PublishedTime("Multi-task, 256 wide (reproduction)", "seernet_multi", 2.418, _RYZEN, _LEDGER),
)

DEVICE = "NVIDIA GeForce RTX 3090"
N_CONFIGURATIONS, N_ARCHITECTURES = 53_407, 7_202


@dataclass(frozen=True)
class Distribution:
    """Mean, minimum, median and maximum of one quantity of the paper's dataset.

    Attributes:
        column: our column.
        kind: of `units.SCALES`; the values are in its stored unit.
    """

    column: str
    title: str
    kind: str
    mean: float
    minimum: float
    median: float
    maximum: float


# The source gives memory in "MB" without saying which; it is shown here as MiB, NVML's habit.
DISTRIBUTION_SOURCE = PAPER_REPOSITORY
DISTRIBUTION: tuple[Distribution, ...] = (
    Distribution("flops", "FLOPs", "flops", 214.8e9, 0.05e9, 40.8e9, 22_543.9e9),
    Distribution("bytes", "memory traffic", "bytes", 7.7e9, 0.01e9, 2.1e9, 70.2e9),
    Distribution("n_parameters", "parameters", "parameters", 9.5e6, 0.04e6, 3.6e6, 254.9e6),
    Distribution("train_util_pct", "training utilisation", "%", 62.4, 5, 66.9, 99),
    Distribution("train_mem_mib", "training memory", "MiB", 5_255, 1_500, 2_728, 24_244),
    Distribution("train_time_ms", "training time", "ms", 87.1, 2.9, 44.1, 1_919.5),
    Distribution("infer_util_pct", "inference utilisation", "%", 72.9, 8, 97, 99),
    Distribution("infer_mem_mib", "inference memory", "MiB", 2_412, 1_410, 1_790, 19_462),
    Distribution("infer_time_ms", "inference time", "ms", 23.8, 0.8, 9.2, 554.5),
)
