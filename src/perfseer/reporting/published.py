"""Published figures, as data with their sources (METHODS 1.1, 1.3, 1.5, 1.6). None is re-measured here.

``None`` is a figure that was looked for and is not published.
"""

from dataclasses import dataclass

PAPER = "PerfSeer paper (arXiv 2502.01206)"
PAPER_REPOSITORY = "upuuuuuu/PerfSeer, README"
PEER = "JustinLinKK/PerfSeer-predictor"
CITED = f"{PAPER}, as cited in {PEER}"
FAITHFUL = f"{PEER}, six-model reproduction"
PUBLISHED_SPLIT = "random"


@dataclass(frozen=True)
class PublishedError:
    """Test MAPE of one system.

    Attributes:
        system: as the source names it.
        predictor: our predictor it corresponds to.
        target: column name, or ``mean`` over the six labels.
        mape_pct: [%], None where not published.
        source: where the figure stands.
    """

    system: str
    predictor: str
    target: str
    mape_pct: float | None
    source: str


ERRORS: tuple[PublishedError, ...] = (
    PublishedError("SeerNet (paper)", "seernet", "mean", 5.14, CITED),
    *(
        PublishedError("SeerNet (paper)", "seernet", name, None, "no per-label figure found")
        for name in ("train_time_ms", "infer_time_ms")
    ),
    PublishedError("SeerNet-Multi with PCGrad (paper)", "seernet_multi", "mean", 7.75, CITED),
    PublishedError("SeerNet (reproduction)", "seernet", "mean", 3.898, FAITHFUL),
    PublishedError("SeerNet (reproduction)", "seernet", "train_time_ms", 5.606, FAITHFUL),
    PublishedError("SeerNet (reproduction)", "seernet", "train_mem_mib", 2.008, FAITHFUL),
    PublishedError("SeerNet (reproduction)", "seernet", "train_util_pct", None, "not published singly"),
    PublishedError("SeerNet (reproduction)", "seernet", "infer_time_ms", 5.521, FAITHFUL),
    PublishedError("SeerNet (reproduction)", "seernet", "infer_mem_mib", 2.131, FAITHFUL),
    PublishedError("SeerNet (reproduction)", "seernet", "infer_util_pct", None, "not published singly"),
    PublishedError(
        "Multi-task, 256 wide, PCGrad (reproduction)",
        "seernet_multi",
        "mean",
        3.923,
        f"{PEER}, ledger run full_20260601_122347",
    ),
)

# Parameters of one model. Ours differ with the width set in params.yaml.
PARAMETERS: tuple[tuple[str, str, int, str], ...] = (
    ("SeerNet (paper)", "seernet", 1_020_000, CITED),
    ("SeerNet-Multi (paper)", "seernet_multi", 1_150_000, CITED),
    ("SeerNet (reproduction), one of six", "seernet", 1_263_107, f"{PEER}, derived from its code"),
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
