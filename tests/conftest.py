"""Shared by all tests."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A shell starts what it puts in the background with Ctrl-C ignored, and a collector heeds that. Tests that
# press Ctrl-C are about everybody else.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return ROOT
