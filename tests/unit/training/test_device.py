"""core.training.device: the thread that trains, set up for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from core.config import make_config
from core.training.device import prepare_worker


def num_denormal() -> int:
    """How many of 4 million products that float32 holds as denormal numbers are not zero; by all threads of torch."""
    return int((torch.full((1 << 22,), 1e-30) * torch.full((1 << 22,), 1e-12)).count_nonzero())


def test_denormal_numbers_are_zero_to_the_thread_that_trains_alone() -> None:
    config = make_config(preset="smoke", device="cpu", num_threads=2)
    supported = ThreadPoolExecutor(1).submit(torch.set_flush_denormal, True).result()
    if not supported:
        pytest.skip("this CPU can't flush denormal numbers")
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=prepare_worker, initargs=(config, torch.device("cpu"))) as worker:
        assert worker.submit(num_denormal).result() == 0
    torch.set_num_threads(threads)  # the worker's are what later threads would begin with
    assert num_denormal() == 1 << 22
