"""Made-up published results: four files of two devices over synthetic graphs; needs no file and no timm."""

import json

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.studies.public.settings import PublicSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic_graphs import LABELS, lawful_graph, make_labels

GPU_NEW = "infer-amp-nchw-pt240-cu124-rtx3090"
GPU_OLD = "infer-amp-nchw-pt210-cu121-rtx3090"
CPU = "infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo"
TRAIN = "train-amp-nchw-pt112-cu113-rtx3090"
FILES = (GPU_NEW, GPU_OLD, CPU, TRAIN)
# Times a row of each file takes, in those of the law of `make_labels`.
FACTORS = {GPU_NEW: 1.0, GPU_OLD: 1.1, CPU: 30.0, TRAIN: 1.0}
TRAINING = {
    "batch_size": 32,
    "optimiser": "adam",
    "learning_rate": 0.01,
    "weight_decay": 0,
    "lr_factor": 0.5,
    "lr_patience": 3,
    "lr_threshold": 0.0001,
    "lr_min": 1e-6,
    "max_epochs": 3,
    "patience": 3,
    "loss": "mse",
}
BOOSTING = {
    "n_estimators": 60,
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_child_samples": 3,
    "patience": 20,
}


def settings(**changes) -> PublicSettings:
    """Two entrants, their mean, a variant; two folds' worth of everything."""
    section = {
        "files": FILES,
        "as_measured": False,
        "headline": (GPU_NEW, TRAIN, CPU),
        "groupings": ("architecture", "family"),
        "folds": 3,
        "seeds": (0, 1),
        "valid_share": 0.2,
        "subject": "boosting",
        "confidence": 0.9,
        "seed_confidence": 0.95,
        "within_pct": (5, 10),
        "resamples": 100,
        "worst": 5,
        "labels": LABELS.model_dump(mode="json"),
        "training": TRAINING,
        "entrants": {
            "roofline": {"predictor": "roofline"},
            "boosting": {"predictor": "boosting", "settings": BOOSTING, "files": FILES},
        },
        "means": {"both": ("roofline", "boosting")},
        "variants": {
            "stumps": {
                "of": "boosting",
                "changes": {"settings.num_leaves": 2, "seeds": [0], "folds": [0, 2]},
                "says": "trees of two leaves",
            }
        },
    }
    return PublicSettings.model_validate({**section, **changes})


def results(n_architectures: int = 36, seed: int = 0) -> Dataset:
    """Every architecture in every file, two image sizes each; nine families."""
    rng = np.random.default_rng(seed)
    graphs, rows = [], []
    for number in range(n_architectures):
        for size in (224, 288):
            graph = lawful_graph(rng, 8)
            labels = dict(zip(TARGET_NAMES, make_labels(graph, rng), strict=True))
            rows += [_row(file, number, size, len(graphs), labels, rng) for file in FILES]
            graphs.append(graph)
    return Dataset.from_rows(pd.DataFrame(rows), PackedGraphs.pack(graphs))


def _row(file, number, size, graph, labels, rng) -> dict[str, object]:
    phase = file.split("-")[0]
    name = f"net{chr(97 + number % 9)}{number}"
    time_ms = labels[f"{phase}_time_ms"] * FACTORS[file] * float(np.exp(0.01 * rng.standard_normal()))
    gpu = file != CPU
    torch = {GPU_NEW: "2.4.0+cu124", GPU_OLD: "2.1.0+cu121", CPU: "2.4.0", TRAIN: "1.12+cu113"}[file]
    return {
        **dict.fromkeys(TARGET_NAMES, np.nan),
        f"{phase}_time_ms": time_ms,
        "source": file,
        "configuration": f"{file}/{name}/{size}",
        "model_ref": f"timm:{name}",
        "architecture": name,
        "family": name[:4],
        "input_shape": f"3x{size}x{size}",
        "batch_size": 8,
        "device": "NVIDIA GeForce RTX 3090" if gpu else "Intel(R) Core(TM) i9-10940X CPU @ 3.30GHz",
        "device_kind": "cuda" if gpu else "cpu",
        "precision": "amp-fp16" if gpu else "fp32",
        "memory_format": "nchw",
        "mode": "eager" if gpu else "compiled",
        "environment": json.dumps({"torch": torch}),
        "graph": graph,
    }


def silent(line: str) -> None:
    """A log that nobody reads."""
    del line


def stand_in(monkeypatch, data: Dataset) -> None:
    """Make ``data`` what the study reads."""
    from perfseer.studies.public import source

    def dataset(settings, names):
        return data.subset(np.flatnonzero(data.rows["source"].isin(names)))

    monkeypatch.setattr(source, "dataset", dataset)
    monkeypatch.setattr(source, "group_rows", lambda settings: data.rows[["architecture", "family"]])
