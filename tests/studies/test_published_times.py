"""Published times made comparable: the optimiser's time added, and rows that a host decided left out."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.data.source import Source
from perfseer.errors import PerfseerError
from perfseer.forecast.asking import platform_row
from perfseer.graphs.capture import capture
from perfseer.predictors.parts.platforms.host import host_prior, launches
from perfseer.studies import published_times
from perfseer.studies.published_times import bound_by_device, kernels_started, published_rows
from perfseer.studies.wanted_times import PublishedTimes
from perfseer.targets import TARGET_NAMES

T4 = Platform("Tesla T4", "cuda", "fp32", "nchw", "eager", "torch 2.1.0")
CPU = Platform("Core i9-10940X", "cpu", "fp32", "nchw", "eager", "torch 2.1.0")
PARAMETERS = 64 * 64 * 9 * 2
STEP = capture(
    nn.Sequential(nn.Conv2d(64, 64, 3, bias=False), nn.ReLU(), nn.Conv2d(64, 64, 3, bias=False)),
    (torch.empty(2, 64, 32, 32),),
)


def row(platform, **labels):
    return {
        **dict.fromkeys(TARGET_NAMES, np.nan),
        **{"graph": 0, "architecture": "net", "family": "nets", "batch_size": 2, "configuration": "1"},
        **platform_row(platform),
        **labels,
    }


def source_of(*rows):
    """A source of these rows."""

    class MadeUp(Source):
        name = "made_up"
        title = "made up"
        files = ()

        def read(self):
            return pd.DataFrame(rows)

        def rows(self):
            return self.table, PackedGraphs.pack([STEP])

    return MadeUp


def rows_of(monkeypatch, wanted, *rows):
    monkeypatch.setattr(published_times, "source_class", lambda name: source_of(*rows))
    return published_rows("made_up", wanted, 0)


def test_a_step_without_an_optimiser_is_given_the_time_of_one(monkeypatch):
    """Five passes over the weights in single precision at 80 % of a T4's 320 GB/s."""
    rows = (row(T4, train_time_ms=3.0), row(T4, infer_time_ms=1.0))
    data = rows_of(monkeypatch, PublishedTimes(optimiser=False), *rows)
    added_ms = 1e3 * 5 * 4 * PARAMETERS / (0.8 * 320e9)
    assert data.label("train_time_ms")[0] == pytest.approx(3.0 + added_ms, rel=1e-6)
    assert data.label("infer_time_ms")[1] == 1.0
    assert set(data.rows["published_by"]) == {"made_up"}
    with_one = rows_of(monkeypatch, PublishedTimes(), *rows)
    assert with_one.label("train_time_ms")[0] == 3.0


def test_phases_that_are_not_wanted_and_devices_that_nobody_knows_are_left_out(monkeypatch):
    unknown = {**row(T4, infer_time_ms=2.0), "device": "Made Up 9000"}
    both = row(T4, train_time_ms=3.0, infer_time_ms=1.0)
    data = rows_of(monkeypatch, PublishedTimes(phases=("infer",)), both, unknown, row(T4, train_time_ms=1.0))
    assert data.label("infer_time_ms").tolist() == [1.0]
    assert np.isnan(data.label("train_time_ms")).all()
    with pytest.raises(PerfseerError, match="made_up"):
        rows_of(monkeypatch, PublishedTimes(), unknown)


def test_only_what_no_slow_host_could_have_decided_teaches():
    slow_ms = {
        phase: host_prior("eager", phase).ms(launches(STEP, phase, T4), 0.95) for phase in ("infer", "train")
    }
    rows = [
        row(T4, infer_time_ms=1.01 * slow_ms["infer"], train_time_ms=0.99 * slow_ms["train"]),
        row(T4, infer_time_ms=0.99 * slow_ms["infer"]),
        row(CPU, infer_time_ms=1e-3),  # starts its own
    ]
    data = Dataset.from_rows(pd.DataFrame(rows), PackedGraphs.pack([STEP]))
    assert kernels_started(data, "infer").tolist() == [3, 3, 3]
    kept = bound_by_device(data)
    assert kept.rows["device"].tolist() == [T4.device, CPU.device]
    assert np.isnan(kept.label("train_time_ms")).all()
    assert json.loads(kept.rows["environment"][0])["torch"] == "2.1.0"
