"""Counts of the files as published, where a mirror has them (docs: KPI counts of the rounds)."""

import os

import pytest

from perfseer.hardware.mlperf.merging import disagreements, results, unjoined
from perfseer.hardware.sources.mlperf_logs import MlperfLogs
from perfseer.hardware.sources.mlperf_results import MlperfResults

MIRROR = os.environ.get("PERFSEER_MIRROR")
pytestmark = pytest.mark.skipif(not MIRROR, reason="PERFSEER_MIRROR is not set")


@pytest.fixture(autouse=True, scope="module")
def nothing_published():
    """Here the mirror is seen."""


@pytest.fixture(scope="module")
def readings():
    return MlperfLogs().read(), MlperfResults().read()


def test_counts(readings):
    logs, official = readings
    assert (logs.n_read, len(logs.rows), len(official.rows)) == (23_965, 23_965, 2_385)
    assert official.rows["round"].value_counts().to_dict() == {"v5.1": 1_448, "v4.1": 937}
    closed = logs.rows[logs.rows["division"] == "closed"]
    assert len(closed) == 8_422
    key = ["round", "submitter", "system_id", "network", "scenario"]
    assert closed.duplicated(key).sum() == 172
    assert logs.findings["Interactive, logged as Server"] == 68
    relabelled = official.rows[official.rows["corrected"] != ""]
    counts = relabelled.groupby(["round", "benchmark"]).size().to_dict()
    assert counts == {("v4.1", "llama2-70b"): 5, ("v5.1", "llama3.1-8b"): 8, ("v5.1", "whisper"): 37}


def test_joins(readings):
    alone = unjoined(*readings)
    assert alone["missing"].tolist() == ["official row"]  # one log that was not published
    merged = results(*readings)
    assert merged["source"].value_counts().to_dict() == {"log": 21_580, "official+log": 2_385}
    apart = disagreements(*readings)
    assert len(apart) == 9
    assert apart["scenario"].isin(["SingleStream", "MultiStream"]).all()
