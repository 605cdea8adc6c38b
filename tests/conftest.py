"""Shared by all tests."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A shell starts what it puts in the background with Ctrl-C ignored, nohup with hang-ups ignored, and a
# collector heeds that. Tests that send such signals are about everybody else.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return ROOT
