import os
import subprocess
import sys

import pytest
import torch

from perfseer.evaluation.environment import environment

PROGRAM = """
import sys
import numpy as np
import lightgbm
from perfseer.training.process import prepare_process
prepare_process(int(sys.argv[1]))
import scipy.linalg, sklearn.ensemble, torch
from threadpoolctl import threadpool_info
from perfseer.evaluation.environment import environment
assert environment()["threads"] == torch.get_num_threads()
print(sorted({pool["num_threads"] for pool in threadpool_info()}), torch.get_num_threads())
"""


@pytest.mark.parametrize(("threads", "around"), [(1, "3"), (2, "1")])
def test_every_library_has_the_threads_asked_for_whatever_the_environment_says(threads, around):
    """Loaded before or after; threads beyond the cores are asked for all the same."""
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), around)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(threads)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [f"[{threads}]", str(threads)]


def test_a_record_says_how_many_threads_there_were():
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert environment()["threads"] == threads
    finally:
        torch.set_num_threads(before)
