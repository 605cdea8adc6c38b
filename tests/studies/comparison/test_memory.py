"""Which slice of a multi-instance GPU holds a workload."""

import numpy as np

from perfseer.studies.comparison.memory import PROFILES, profiles

MIB_PER_MB = 1e6 / 2**20


def test_the_smallest_profile_that_holds_the_memory():
    memory_mb = np.array([1, 4_999, 5_001, 9_999, 10_001, 19_999, 20_001, 39_999, 40_001])
    found = profiles(memory_mb * MIB_PER_MB).tolist()
    assert found == [0, 0, 1, 1, 2, 2, 3, 3, len(PROFILES)]
    assert PROFILES[0][1] == "1g.5gb"


def test_a_bound_itself_belongs_to_the_next_profile():
    """5,000 MB is 4,768.37 MiB."""
    assert profiles(5_000 * MIB_PER_MB * np.array([1 - 1e-9, 1 + 1e-9])).tolist() == [0, 1]
