"""The roofline by hand: constants that made the labels come back from a fit."""

import dataclasses

import numpy as np
import pytest

from perfseer.data.normalisation import LabelNormaliser, LabelScale
from perfseer.predictors.parts.residual import Residual
from perfseer.predictors.parts.roofline import MemoryLine, Roofline, TimeRoofline, Work, row_features
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic_graphs import chain, dataset_of


def test_inference_time_by_hand():
    # 1 GFLOP/s and 1 GB/s: node 1 computes for 2 ms, node 2 moves for 3 ms; 0.5 ms to launch each.
    work = Work.of(row_features(dataset_of([chain([2e6, 1e6], [1e6, 3e6])])), "infer")
    assert TimeRoofline(1e9, 1e9, 0.5e-3).milliseconds(work) == pytest.approx([2 + 3 + 2 * 0.5])


def test_training_time_by_hand():
    # Forward 2 + 3 ms, backward 4 + 6 ms, two launches of 0.5 ms; beside the nodes 1 MB of their own and
    # five passes of the optimiser over 100,000 parameters of 4 bytes: 1 + 2 ms.
    one = chain([2e6, 1e6], [1e6, 3e6], parameters=100_000, train_only=1_000_000)
    work = Work.of(row_features(dataset_of([one])), "train")
    assert TimeRoofline(1e9, 1e9, 0.5e-3).milliseconds(work) == pytest.approx([5 + 10 + 1 + 3])


def random_graphs(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return [
        chain(
            rng.integers(1e5, 1e8, size=(nodes := rng.integers(2, 12))),
            rng.integers(1e4, 1e7, size=nodes),
            parameters=int(rng.integers(1e3, 1e6)),
            peak=tuple(int(value) for value in rng.integers(1e6, 1e9, size=2)),
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("phase", ["train", "infer"])
@pytest.mark.parametrize("constants", [(5e10, 1e10, 3e-6), (1e13, 8e11, 5e-6), (2e9, 1e10, 1e-4)])
def test_fit_recovers_the_constants_that_made_the_times(phase, constants):
    work = Work.of(row_features(dataset_of(random_graphs())), phase)
    truth = TimeRoofline(*constants)
    fitted = TimeRoofline.fit(work, truth.milliseconds(work))
    np.testing.assert_allclose(fitted.milliseconds(work), truth.milliseconds(work), rtol=1e-3)


def test_single_outliers_do_not_steer_the_fit():
    work = Work.of(row_features(dataset_of(random_graphs())), "infer")
    truth = TimeRoofline(5e10, 1e10, 3e-5)
    times = truth.milliseconds(work)
    spoilt = times.copy()
    spoilt[:5] *= 30
    fitted = TimeRoofline.fit(work, spoilt).milliseconds(work)
    assert np.abs(fitted[5:] / times[5:] - 1).mean() < 0.03


def test_constants_that_nothing_depends_on_stay_finite():
    """Copies only: no FLOPs anywhere, so the compute rate is free."""
    rng = np.random.default_rng(0)
    graphs = [chain(np.zeros(3), rng.integers(1e4, 1e7, size=3)) for _ in range(20)]
    work = Work.of(row_features(dataset_of(graphs)), "infer")
    truth = TimeRoofline(1e9, 1e10, 1e-5).milliseconds(work)
    fitted = TimeRoofline.fit(work, truth)
    assert np.isfinite([fitted.flops_per_s, fitted.bytes_per_s, fitted.launch_s]).all()
    np.testing.assert_allclose(fitted.milliseconds(work), truth, rtol=1e-3)


def test_memory_line_by_hand():
    work = Work.of(row_features(dataset_of(random_graphs())), "infer")
    measured = 12.0 + 1.5 * work.peak_bytes / 2**20
    line = MemoryLine.fit(work, measured)
    assert (line.base_mib, line.factor) == pytest.approx((12.0, 1.5))
    np.testing.assert_allclose(line.mebibytes(work), measured)


def test_memory_line_is_never_negative():
    """Memory that falls with the peak would give a negative slope; the best line then is flat."""
    work = Work.of(row_features(dataset_of(random_graphs())), "infer")
    line = MemoryLine.fit(work, 2000.0 - work.peak_bytes / 2**20)
    assert line.base_mib > 0
    assert line.factor == 0


def labelled():
    """Graphs with labels from known constants."""
    graphs = random_graphs()
    features = row_features(dataset_of(graphs))
    truth = Roofline(
        {"train": TimeRoofline(5e10, 1e10, 1e-5), "infer": TimeRoofline(6e10, 2e10, 5e-6)},
        {"train": MemoryLine(3.0, 1.1), "infer": MemoryLine(2.0, 1.0)},
    )
    labels = np.full((len(graphs), 6), 50.0)
    for column, name in enumerate(TARGET_NAMES):
        if "util" not in name:
            labels[:, column] = truth.predict(features, name)
    return dataset_of(graphs, labels), truth


def test_all_four_at_once_and_through_json():
    data, truth = labelled()
    fitted = Roofline.fit(data)
    features = row_features(data)
    for name in ("train_time_ms", "train_mem_mib", "infer_time_ms", "infer_mem_mib"):
        expected = truth.predict(features, name)
        np.testing.assert_allclose(fitted.predict(features, name), expected, rtol=1e-3)
    again = Roofline.from_json(fitted.to_json())
    assert again == fitted


NORMALISER = LabelNormaliser(
    {
        "infer_time_ms": LabelScale(None, 0.5, 2.0, -30.0, 30.0),
        "infer_util_pct": LabelScale(101.0, 0.0, 1.0, -30.0, 30.0),
    }
)


@pytest.mark.parametrize("baseline", [True, False])
def test_what_is_learned_decodes_to_the_labels(baseline):
    data, _ = labelled()
    residual = Residual.fit(data, NORMALISER, baseline=baseline)
    learned = residual.encode(data)
    columns = [TARGET_NAMES.index(name) for name in NORMALISER.targets]
    np.testing.assert_allclose(residual.decode(learned, data), data.labels[:, columns], rtol=1e-9)
    again = Residual.from_json(residual.to_json(), NORMALISER)
    np.testing.assert_array_equal(again.encode(data), learned)


def test_deviation_from_the_baseline_has_unit_spread_and_utilisation_none():
    data, _ = labelled()
    noisy = data.labels.copy()
    noisy[:, TARGET_NAMES.index("infer_time_ms")] *= np.exp(
        0.1 * np.random.default_rng(0).normal(size=len(data))
    )
    data = dataclasses.replace(data, labels=noisy)
    residual = Residual.fit(data, NORMALISER, baseline=True)
    assert residual.encode(data)[:, 0].std() == pytest.approx(1.0)
    assert residual.baseline(data)[:, 1].tolist() == [0.0] * len(data)
    assert residual.spread[1] == 1.0
    # 10 % noise on a scale of 2: what is left to learn is a twentieth of the labels' scale.
    assert residual.spread[0] == pytest.approx(0.05, rel=0.3)
