"""Weights of several networks in one file."""

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.predictors.parts.weights import load_weights, save_weights


def networks(seed, width=3):
    torch.manual_seed(seed)
    return {"linear": nn.Linear(width, 2), "linear_norm": nn.BatchNorm1d(width)}


def test_weights_and_buffers_come_back(tmp_path):
    saved, loaded = networks(0), networks(1)
    saved["linear_norm"].running_mean += 3
    save_weights(tmp_path / "w", saved)
    load_weights(tmp_path / "w", loaded)
    assert torch.equal(loaded["linear"].weight, saved["linear"].weight)
    assert loaded["linear_norm"].running_mean.tolist() == [3, 3, 3]


def test_equal_networks_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        save_weights(tmp_path / name, {"x": networks(0)["linear"]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_files_of_other_layers_are_refused(tmp_path):
    save_weights(tmp_path / "w", {"x": networks(0)["linear"]})
    for wrong in ({"x": networks(0, width=4)["linear"]}, {"other": networks(0)["linear"]}):
        with pytest.raises(PerfseerError, match="again"):
            load_weights(tmp_path / "w", wrong)


def test_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"not a model")
    for name in ("w", "absent"):
        with pytest.raises(PerfseerError, match="again"):
            load_weights(tmp_path / name, {"x": networks(0)["linear"]})
