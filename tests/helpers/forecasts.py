"""A predictor with a law that tests can compute by hand, small networks to ask it about, a saved one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.forecast.card import Card, HeldOut
from perfseer.forecast.predictor import Predictor
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors import base, registry
from perfseer.predictors.settings import PredictorSettings, RooflineSettings
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser


def platform(device: str, **changed: Any) -> Platform:
    usual = {
        "device_kind": "cuda",
        "precision": "amp-fp16",
        "memory_format": "nchw",
        "mode": "eager",
        "software": "torch 2.4.0 cu124",
    }
    return Platform(device, **{**usual, **changed})


R3090 = platform("rtx3090")
R3090_OLD = platform("rtx3090", software="torch 1.12.0 cu113")
R3090_NHWC = platform("rtx3090", memory_format="nhwc")
R4090 = platform("rtx4090")
CPU = platform("Core i9-10940X", device_kind="cpu", precision="fp32", mode="compiled", software="torch 2.4.0")
# Milliseconds of a thousand FLOPs on devices the law knows: so slow that no host is ever slower.
SLOWNESS = {R3090.device: 1.0, R4090.device: 0.5, CPU.device: 20.0}
UNKNOWN_SLOWNESS = 2.0


class LawSettings(PredictorSettings):
    """Nothing to choose."""


class LawPredictor(base.Predictor):
    """Inference takes `SLOWNESS` ms per thousand FLOPs of the forward pass, training three times as long."""

    name: ClassVar[str] = "law"
    supported: ClassVar[frozenset[str]] = frozenset({"infer_time_ms", "train_time_ms"})
    source: ClassVar[str] = "made up for tests"
    Settings = LawSettings
    platforms: tuple[Platform, ...] = (R3090_OLD, R3090_NHWC, R3090, R4090, CPU)
    platform_phases: ClassVar[dict[str, tuple[str, ...]]] = {
        R3090_OLD.key: ("train",),
        R3090.key: ("infer",),
        CPU.key: ("infer",),
    }
    forward_suffices: bool = False

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        pass

    def _predict(self, dataset: Dataset) -> FloatArray:
        kflops = np.array([dataset.graph(row).total_flops for row in range(len(dataset))]) / 1e3
        devices = dataset.rows.get("device", pd.Series([R3090.device] * len(dataset)))
        slowness = devices.map(lambda name: SLOWNESS.get(name, UNKNOWN_SLOWNESS)).to_numpy()
        factors = {"infer_time_ms": 1.0, "train_time_ms": 3.0}
        return np.column_stack([kflops * slowness * factors[name] for name in self.targets])

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame:
        predicted = self.predict(dataset)
        ends = {"low": 1 - confidence / 2, "high": 1 + confidence}
        return pd.DataFrame(
            {f"{name}_{end}": predicted[name] * by for name in self.targets for end, by in ends.items()}
        )

    def node_times(self, dataset: Dataset, target: str) -> list[FloatArray]:
        return [dataset.graph(row).flops / 1e3 for row in range(len(dataset))]

    def interval_reasons(self, dataset: Dataset, target: str) -> list[tuple[str, ...]]:
        return [(f"{target} is made up",)] * len(dataset)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        return {}

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        pass


CARD = Card(
    description="a law",
    commit="abc1234",
    dataset_digest="d1ge57",
    default_target=R3090.key,
    held_out=(
        HeldOut(target=R3090.key, label="infer_time_ms", grouping="family", mape_pct=7.0, rows=9),
        HeldOut(target=R3090.key, label="infer_time_ms", grouping="architecture", mape_pct=3.5, rows=9),
    ),
)


def law(**changed: Any) -> Predictor:
    """The law as people use it; ``changed`` attributes of it."""
    data = make_dataset(12, seed=0)
    model = LawPredictor(LawSettings()).fit(data, data, make_normaliser(data), seed=0, log=lambda line: None)
    for name, value in changed.items():
        setattr(model, name, value)
    return Predictor(model, source="tests", card=CARD, checkpoint="0123456789ab")


def save_roofline(folder: Path) -> Path:
    """A fitted roofline, saved as `perfseer train` would."""
    data = make_dataset(24, seed=0)
    model = registry.create("roofline", RooflineSettings())
    model.fit(data, data, make_normaliser(data), seed=0, log=lambda line: None).save(folder)
    return folder


class Convolution(nn.Module):
    """One convolution and a classifier: 2 * 27 * 4 * 8 * 8 + 2 * 4 * 5 FLOPs for an image of 8 x 8."""

    KFLOPS = (2 * 27 * 4 * 64 + 2 * 4 * 5) / 1e3

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.head = nn.Linear(4, 5, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, 8, 8] -> [N, 5]."""
        return self.head(self.convolution(x).mean((2, 3)))


IMAGE = torch.empty(1, 3, 8, 8)
