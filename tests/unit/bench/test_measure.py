"""The arithmetic of a training step, and how figures are taken."""

from __future__ import annotations

import itertools

import pytest
import torch

from core.bench.measure import hardware, interleave, matrix_product, seconds, training_gflop

CPU = torch.device("cpu")


def test_a_training_image_costs_6_576_gflop() -> None:
    assert training_gflop() == pytest.approx(6.576, rel=1e-3)


def test_contenders_take_turns() -> None:
    clock = itertools.count()
    found = interleave({"a": lambda: float(next(clock)), "b": lambda: float(next(clock))}, 3)
    assert found == {"a": [0, 2, 4], "b": [1, 3, 5]}


def test_seconds_are_those_of_one_call() -> None:
    calls: list[int] = []
    taken = seconds(lambda: calls.append(1), CPU, calls=1000)
    assert len(calls) == 1000
    assert 0 < taken < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_matrix_product_has_a_rate(dtype: torch.dtype) -> None:
    assert matrix_product(32, dtype, CPU, tries=1)() > 0


def test_the_machine_has_names() -> None:
    found = hardware(CPU, 2)
    assert found.cpu
    assert found.cores >= 1
    assert found.device.startswith("CPU")
    assert found.threads == 2
