"""nn-Meter's method: the time of a network is the sum over its kernels, each predicted by a random forest."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from perfseer.data.dataset import Dataset
from perfseer.data.features import graph_features
from perfseer.data.files import read_json, read_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.errors import require
from perfseer.graphs.kernels import OPTIMISER, FusionRules
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.measure.kernels.table import COLUMNS, NUMBERS, good_kernels
from perfseer.predictors.base import Predictor
from perfseer.predictors.coverage import Coverage
from perfseer.predictors.parts.kernels.forests import SPLIT_SEED, KernelForests, shares_within, split
from perfseer.predictors.parts.kernels.tables import DatasetKernels, fit_launch_ms
from perfseer.predictors.parts.learners.forests import load_arrays, save_arrays
from perfseer.predictors.settings import NnMeterSettings
from perfseer.targets import TARGET_BY_NAME

if TYPE_CHECKING:
    from perfseer.data.platforms import Platform

_WRITTEN_BY = "perfseer kernels"
_FORESTS_FILE = "forests.safetensors"
# The paper's bound for a good prediction.
_WITHIN_PCT = 10.0


@dataclass(frozen=True)
class Skipped:
    """What of some rows' graphs no forest predicts, which therefore counts as no time.

    Attributes:
        kernels: share of the kernels, 0 to 1.
        bytes: share of the forward bytes, 0 to 1.
        types: kernel name to how many there are.
    """

    kernels: float
    bytes: float
    types: dict[str, int]


class NnMeterPredictor(Predictor):
    """Sums of kernels measured one by one on the device; labels of whole networks are not learned from.

    Attributes:
        skipped_: kernels of the training rows' graphs without a forest; they count as no time.
        launch_ms_: on a GPU, the least time per kernel, by phase; 0 elsewhere.
    """

    name: ClassVar[str] = "nn_meter"
    supported: ClassVar[frozenset[str]] = frozenset({"train_time_ms", "infer_time_ms"})
    source: ClassVar[str] = "nn-Meter: Zhang et al., MobiSys 2021, doi 10.1145/3458864.3467882"
    departures: ClassVar[tuple[str, ...]] = (
        "Batch size, groups, bytes and a roofline time are features too; height and width stand apart.",
        "FLOPs and bytes are those of the traced graph, not of the published formulas.",
        "Training time, which is not published, sums forward and backward kernels and the optimiser's step; "
        "the loss itself is not counted.",
        "Grouped convolutions have a forest of their own, with the hyper-parameters of convolutions.",
        "Fewer kernels are measured, within a time budget, and the share of the published trees is a "
        "setting.",
        "Forests may learn the logarithm of the time (setting `scale`); published is the time itself.",
        "On a GPU a least time per kernel is fitted on the training rows.",
        "Kernels without a forest are counted and shown, not skipped in silence.",
    )
    settings: NnMeterSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        del valid  # nothing to stop early
        path = self.inputs_.kernels
        assert path is not None  # `needs` says so
        measured = good_kernels(read_parquet(path, COLUMNS, _WRITTEN_BY, NUMBERS), str(path))
        self.rules_ = _read_rules(path.with_name("fusion.json"))
        self.device_kind_ = str(measured["device_kind"].iloc[0])
        kernels, held_out = split(measured, seed)
        self.forests_: dict[str, KernelForests] = {}
        for target in self.targets:
            phase = TARGET_BY_NAME[target].phase
            self.forests_[target] = KernelForests.fit(
                kernels,
                phase,
                self.device_kind_,
                share=self.settings.trees,
                scale=self.settings.scale,
                seed=SPLIT_SEED + seed,
            )
            shares = shares_within(self.forests_[target], held_out, _WITHIN_PCT).items()
            text = ", ".join(f"{name} {share:.0%}" for name, share in shares)
            log(f"{target}: held-out kernels within {_WITHIN_PCT:g} %: {text}")
        rows = DatasetKernels.of(train, self.rules_)
        self.skipped_ = self.skipped(rows)
        self.launch_ms_ = self._launch_ms(rows, train)
        self.n_parameters_ = sum(fitted.n_parameters for fitted in self.forests_.values())
        log(
            f"without a forest: {self.skipped_.kernels:.1%} of the kernels, {self.skipped_.bytes:.1%} of the "
            f"bytes {self.skipped_.types or ''}"
        )

    def _launch_ms(self, kernels: DatasetKernels, train: Dataset) -> dict[str, float]:
        if self.device_kind_ != "cuda":
            return dict.fromkeys(self.targets, 0.0)
        counts, sums = self._counts(kernels), self._sums(kernels)
        return {
            target: fit_launch_ms(counts, sums[:, column], train.label(target))
            for column, target in enumerate(self.targets)
        }

    def _predict(self, dataset: Dataset) -> FloatArray:
        kernels = DatasetKernels.of(dataset, self.rules_)
        floors = self._counts(kernels)[:, None] * [self.launch_ms_[target] for target in self.targets]
        # The bounds also make a time of a graph without any known kernel.
        tiny = np.finfo(np.float64).tiny
        return self._bounded(np.maximum(np.maximum(self._sums(kernels), floors), tiny))

    def _sums(self, kernels: DatasetKernels) -> FloatArray:
        """[n, len(self.targets)] milliseconds; kernels without a forest add nothing."""
        times = [np.nan_to_num(fitted.predict(kernels.distinct)) for fitted in self.forests_.values()]
        return np.column_stack([kernels.totals(values) for values in times])

    def _counts(self, kernels: DatasetKernels) -> FloatArray:
        """[n] kernels that a device is given."""
        return kernels.totals(np.asarray(kernels.distinct["name"] != OPTIMISER, dtype=np.float64))

    def skipped(self, kernels: DatasetKernels) -> Skipped:
        """Which kernels of the rows' graphs no forest predicts."""
        names = kernels.distinct["name"].astype(str)
        ours = (names != OPTIMISER).to_numpy()
        unknown = ours & ~np.any([fitted.knows(names) for fitted in self.forests_.values()], axis=0)
        counts = kernels.counts
        moved = counts * kernels.distinct["bytes"].to_numpy(dtype=np.float64)
        types: Counter[str] = Counter()
        for name, count in zip(names[unknown], counts[unknown], strict=True):
            types[name] += round(count)
        return Skipped(_share(counts, unknown, ours), _share(moved, unknown, ours), dict(types))

    def coverage(self, graph: PerfGraph, platform: "Platform | None" = None) -> Coverage:
        """As `Predictor.coverage`; kernels without a forest count as unseen operators."""
        base = super().coverage(graph, platform)
        features = graph_features(PackedGraphs.pack([graph]))
        missing = self.skipped(DatasetKernels.of_features(features, np.zeros(1, np.int64), self.rules_)).types
        return replace(base, unseen_operators={**missing, **base.unseen_operators})

    def _save_state(self, folder: Path) -> dict[str, Any]:
        parts = [fitted.arrays() for fitted in self.forests_.values()]
        save_arrays(folder / _FORESTS_FILE, {name: own for part in parts for name, own in part.items()})
        return {
            "device_kind": self.device_kind_,
            "rules": self.rules_.to_json(),
            "forests": {target: fitted.to_json() for target, fitted in self.forests_.items()},
            "launch_ms": self.launch_ms_,
            "skipped": asdict(self.skipped_),
        }

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        arrays = load_arrays(folder / _FORESTS_FILE)
        self.device_kind_ = str(state["device_kind"])
        self.rules_ = FusionRules.from_json(state["rules"])
        self.forests_ = {
            target: KernelForests.of_parts(TARGET_BY_NAME[target].phase, state["forests"][target], arrays)
            for target in self.targets
        }
        self.launch_ms_ = {target: float(value) for target, value in state["launch_ms"].items()}
        self.skipped_ = Skipped(**state["skipped"])


def _read_rules(path: Path) -> FusionRules:
    contents = read_json(path, _WRITTEN_BY)
    require("rules" in contents, f"{path} holds no fusion rules: run `{_WRITTEN_BY}` again")
    return FusionRules.from_json(contents["rules"])


def _share(values: FloatArray, part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float:
    total = float(values[whole].sum())
    return float(values[part].sum()) / total if total > 0 else 0.0
