"""Published figures of BRP-NAS on NAS-Bench-201 (METHODS 3), as data. None is measured here."""

from dataclasses import dataclass

PAPER = "Dudziak et al., NeurIPS 2020"
HELP = "HELP, README of HayeonLee/HELP"
# From memory of the paper, not confirmed against it: shown for orientation and marked so wherever shown.
UNVERIFIED = "remembered, UNVERIFIED"


@dataclass(frozen=True)
class PublishedShares:
    """Share of cells within a tolerance, as remembered of BRP-NAS's own latencies.

    Attributes:
        device: as the source names it.
        shares_pct: tolerance [%] to share of the graph network's predictions [%].
        layerwise_pct: share within 10 % of the sum over layers [%].
    """

    device: str
    shares_pct: dict[float, float]
    layerwise_pct: float


SHARES: tuple[PublishedShares, ...] = (
    PublishedShares("desktop CPU", {1: 36.0, 5: 85.2, 10: 96.4}, 29.6),
    PublishedShares("desktop GPU", {1: 36.7, 5: 85.9, 10: 96.9}, 32.4),
    PublishedShares("embedded GPU", {1: 24.3, 5: 82.5, 10: 96.3}, 54.0),
)


@dataclass(frozen=True)
class PublishedRank:
    """Spearman's rank correlation on devices the predictor was not designed on.

    Attributes:
        system: as the source names it.
        spearman: in [-1, 1].
    """

    system: str
    spearman: float


RANKS: tuple[PublishedRank, ...] = (
    PublishedRank("BRP-NAS, 900 samples", 0.789),
    PublishedRank("BRP-NAS, 3,200 samples", 0.805),
    PublishedRank("HELP, 10 samples", 0.932),
    PublishedRank("FLOPs", 0.787),
    PublishedRank("layer-wise sum", 0.767),
)

DIFFERS: tuple[str, ...] = (
    "BRP-NAS measured TensorFlow networks, one image at a time, without batch norm and with ReLU merged into "
    "the convolution, each built from the pruned cell (SamsungLabs/eagle, "
    "eagle/models/nasbench201/tf_model.py): there the pruned cell is what ran. HELP's latencies, used here, "
    "are of whole cells.",
    "The devices are others; only a GTX 1080 Ti is in both, under another framework and batch size.",
    "HELP's 0.789 is a mean over its unseen devices and search spaces under its own protocol, not over the "
    "devices here.",
)
