import pytest

from perfseer.studies.comparison.mig import mig_profile

MIB_PER_MB = 1e6 / 2**20


@pytest.mark.parametrize(
    ("memory_mb", "profile"),
    [
        (1, "1g.5gb"),
        (4_999, "1g.5gb"),
        (5_001, "2g.10gb"),
        (9_999, "2g.10gb"),
        (10_001, "3g.20gb"),
        (19_999, "3g.20gb"),
        (20_001, "7g.40gb"),
        (39_999, "7g.40gb"),
        (40_001, None),
    ],
)
def test_the_smallest_profile_that_holds_the_memory(memory_mb, profile):
    assert mig_profile(memory_mb * MIB_PER_MB) == profile


def test_a_bound_itself_belongs_to_the_next_profile():
    """5,000 MB is 4,768.37 MiB."""
    assert mig_profile(5_000 * MIB_PER_MB * (1 - 1e-9)) == "1g.5gb"
    assert mig_profile(5_000 * MIB_PER_MB * (1 + 1e-9)) == "2g.10gb"
