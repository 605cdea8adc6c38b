"""Memory of a block in a process of its own: what was allocated, whatever ran before."""

import time

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.studies.benchmark.footprint import FootprintMeter
from perfseer.studies.benchmark.isolation import run_apart

MIB = 2**20


def wait_for_samples(meter: FootprintMeter, n: int):
    """Until there are ``n`` more, however busy the machine is."""
    wanted = len(meter._samples) + n
    while len(meter._samples) < wanted:
        time.sleep(0.005)


def touch(mib: int):
    """Allocate and fill so many MiB for some samples, none for as many: peak and mean differ."""
    with FootprintMeter(0.002) as meter:
        block = np.ones(mib * MIB // 8)
        wait_for_samples(meter, 20)
        del block
        wait_for_samples(meter, 20)
    return meter.footprint.model_dump()


def test_peak_is_what_was_allocated_and_the_mean_is_less():
    found = run_apart(lambda: touch(64), 30.0).result
    assert found["peak_mib"] == pytest.approx(64, abs=4)
    assert 10 < found["mean_mib"] < 0.9 * found["peak_mib"]
    assert found["total_peak_mib"] > found["peak_mib"]
    assert found["wall_s"] > 40 * 0.002  # samples and the interval between them


def test_an_earlier_larger_point_leaves_nothing_behind():
    """The fault of the report this one replaces: memory fell as the data grew."""
    peaks = [run_apart(lambda mib=mib: touch(mib), 30.0).result["peak_mib"] for mib in (48, 8, 48, 8)]
    assert peaks == pytest.approx([48, 8, 48, 8], abs=4)


def test_a_block_that_fails_is_an_error_with_its_reason():
    def fail():
        with FootprintMeter(0.002):
            raise PerfseerError("refused")

    outcome = run_apart(fail, 30.0)
    assert (outcome.status, outcome.reason, outcome.result) == ("error", "refused", None)


def test_without_sampling_the_mean_is_the_end():
    def work():
        with FootprintMeter(None) as meter:
            kept = np.ones(16 * MIB // 8)
        return meter.footprint.model_dump() | {"kept": len(kept)}

    found = run_apart(work, 30.0).result
    assert found["mean_mib"] == pytest.approx(16, abs=2)
