import torch

from perfseer.training.process import prepare_process


def test_threads_are_those_asked_for():
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            prepare_process(threads)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
