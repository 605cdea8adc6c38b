"""Published figures of BRP-NAS on NAS-Bench-201 (METHODS 3), as data. None is measured here."""

PAPER = "Dudziak et al., NeurIPS 2020"
HELP = "HELP, README of HayeonLee/HELP"
# From memory of the paper, not confirmed against it: shown for orientation and marked so wherever shown.
UNVERIFIED = "remembered, UNVERIFIED"


# Device, as the source names it → tolerance [%] → share of the graph network's predictions within it [%], on
# BRP-NAS's own latencies.
SHARES_PCT: dict[str, dict[float, float]] = {
    "desktop CPU": {1: 36.0, 5: 85.2, 10: 96.4},
    "desktop GPU": {1: 36.7, 5: 85.9, 10: 96.9},
    "embedded GPU": {1: 24.3, 5: 82.5, 10: 96.3},
}
# System, as the source names it → Spearman's rank correlation on devices it was not designed on.
RANKS: dict[str, float] = {
    "BRP-NAS, 900 samples": 0.789,
    "BRP-NAS, 3,200 samples": 0.805,
    "HELP, 10 samples": 0.932,
    "FLOPs": 0.787,
    "layer-wise sum": 0.767,
}

DIFFERS: tuple[str, ...] = (
    "BRP-NAS measured TensorFlow networks, one image at a time, without batch norm and with ReLU merged into "
    "the convolution, each built from the pruned cell (SamsungLabs/eagle, "
    "eagle/models/nasbench201/tf_model.py): there the pruned cell is what ran. HELP's latencies, used here, "
    "are of whole cells.",
    "The devices are others; only a GTX 1080 Ti is in both, under another framework and batch size.",
    "HELP's 0.789 is a mean over its unseen devices and search spaces under its own protocol, not over the "
    "devices here.",
)
