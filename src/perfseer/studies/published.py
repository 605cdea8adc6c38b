"""Published figures with their sources (METHODS 1.1, 1.3, 1.5, 1.6, 2.2, 3, 4). None is measured here.

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
class PublishedFigure:
    """One figure of one system.

    Attributes:
        system: as the source names it.
        predictor: our predictor it corresponds to.
        target: column name, or ``mean`` over the six labels.
        value: in the metric's unit, None where not published.
        source: where the figure stands.
        metric: key of our records' metrics.
        split: ours that asks most nearly the same question.
        differs: what is not the same there, besides device and data.
    """

    system: str
    predictor: str
    target: str
    value: float | None
    source: str
    metric: str = "mape_pct"
    split: str = PUBLISHED_SPLIT
    differs: str = "RTX 3090, 53,407 configurations, 256 wide; random split"


_LEDGER = f"{PEER}, ledger run full_20260601_122347"
_ONE_SEED = "the paper's data, 256 wide, random split; one seed, no interval"

SEERNET: tuple[PublishedFigure, ...] = (
    PublishedFigure("SeerNet (paper)", "seernet", "mean", 5.14, CITED),
    *(
        PublishedFigure("SeerNet (paper)", "seernet", name, None, "no per-label figure found")
        for name in ("train_time_ms", "infer_time_ms")
    ),
    PublishedFigure("SeerNet-Multi with PCGrad (paper)", "seernet_multi", "mean", 7.75, CITED),
    *(
        PublishedFigure("SeerNet (reproduction)", "seernet", name, value, source, differs=_ONE_SEED)
        for name, value, source in (
            ("mean", 3.898, FAITHFUL),
            ("train_time_ms", 5.606, FAITHFUL),
            ("train_mem_mib", 2.008, FAITHFUL),
            ("train_util_pct", None, "not published singly"),
            ("infer_time_ms", 5.521, FAITHFUL),
            ("infer_mem_mib", 2.131, FAITHFUL),
            ("infer_util_pct", None, "not published singly"),
        )
    ),
    PublishedFigure(
        "Multi-task, 256 wide, PCGrad (reproduction)",
        "seernet_multi",
        "mean",
        3.923,
        _LEDGER,
        differs=_ONE_SEED,
    ),
)

_STUDENT = "A100, batch size 1, 496 rows of unseen networks, a student transferred from another GPU"
_NN_METER = (
    "26,000 CNNs at batch size 1 on an edge runtime that fuses operators; thousands of kernels per type"
)
_HELP = "HELP (HayeonLee/HELP), README"
_NNLQ = "wizwand.com, leaderboard of BRP-NAS on NNLQ"

# What other systems publish of themselves or of each other. Figures only remembered, which could not be
# checked, are left out.
OTHERS: tuple[PublishedFigure, ...] = (
    *(
        PublishedFigure(f"{name} (reproduction)", "seernet", "mean", value, _LEDGER, differs=_ONE_SEED)
        for name, value in (("Two gated blocks, its best", 3.827), ("Distilled, 128 wide, deployed", 3.861))
    ),
    *(
        PublishedFigure(
            "Student on unseen networks (reproduction)",
            "seernet_multi",
            target,
            value,
            f"{PEER}, src/perfseer_v4",
            metric,
            "architecture",
            _STUDENT,
        )
        for target, metric, value in (
            ("train_time_ms", "within_5_pct", 12.7),
            ("train_time_ms", "within_10_pct", 32.7),
            ("infer_time_ms", "within_5_pct", 72.0),
            ("infer_time_ms", "within_10_pct", 90.9),
        )
    ),
    *(
        PublishedFigure(
            f"nn-Meter, {device}",
            "nn_meter",
            "infer_time_ms",
            value,
            "nn-Meter (MobiSys 2021), microsoft/nn-Meter",
            "within_10_pct",
            "architecture",
            _NN_METER,
        )
        for device, value in (
            ("Cortex-A76 CPU", 99.0),
            ("Adreno 640", 99.1),
            ("Adreno 630", 99.0),
            ("Myriad VPU", 83.4),
        )
    ),
    *(
        PublishedFigure(
            f"BRP-NAS, {n} samples",
            "brp_nas",
            "infer_time_ms",
            value,
            _HELP,
            "spearman",
            "architecture",
            "cells of NAS-Bench-201 on other devices: one skeleton, one batch size",
        )
        for n, value in (("900", 0.789), ("3,200", 0.805))
    ),
    *(
        PublishedFigure(
            f"BRP-NAS, {family} held out",
            "brp_nas",
            "infer_time_ms",
            value,
            _NNLQ,
            split="family",
            differs="another family held out; ours is the mean over the held-out styles",
        )
        for family, value in (("GoogLeNet", 25.48), ("ResNet", 15.84), ("VGG", 30.95))
    ),
    PublishedFigure(
        "DIPPM, its best",
        "dippm",
        "mean",
        1.9,
        "DIPPM (arXiv 2303.11733), abstract",
        differs="latency, energy and memory of 10,508 graphs on an A100, 487 epochs",
    ),
)

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
