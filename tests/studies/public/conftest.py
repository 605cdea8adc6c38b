"""Made-up results, once for all tests of the study."""

import pytest

from tests.helpers.public_results import results


@pytest.fixture(scope="session")
def data():
    """36 architectures of nine families in four files."""
    return results()
