"""Shared by all tests."""

import random
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


def pytest_addoption(parser):
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in another order"
    )


def pytest_collection_modifyitems(config, items):
    """No test may depend on another; within a file all stay together, for what they share."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        draw = random.Random(seed)
        draw.shuffle(items)
        places = list({item.path: None for item in items})
        items.sort(key=lambda item: places.index(item.path))
