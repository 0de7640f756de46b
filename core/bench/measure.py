"""Timing, the arithmetic a training needs, and how fast the hardware could do it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from core.model.layers import layer_table
from core.training.device import device_name


@dataclass(frozen=True)
class Hardware:
    """What was measured. threads: of each loop on the CPU."""

    cpu: str
    cores: int
    device: str
    threads: int


def hardware(device: torch.device, threads: int) -> Hardware:
    """This machine, by the names its makers gave it."""
    return Hardware(_cpu_name(), os.cpu_count() or 1, device_name(device), threads)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def interleave(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each contender's figures, one a round: A, B, A, B, so that a machine's slow minute meets them all alike."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            found[name].append(measure())
    return found


def seconds(work: Callable[[], object], device: torch.device, calls: int = 1) -> float:
    """What one call of `work` takes on average over `calls`, the device's part included."""
    _finish(device)
    began = time.perf_counter()
    for _ in range(calls):
        work()
    _finish(device)
    return (time.perf_counter() - began) / calls


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def training_gflop() -> float:
    """Billion operations per training image: each multiply-add of the forward pass (two operations) has one for the
    gradient of the input and one for that of the weights; only conv1's input, the image, needs no gradient.
    """
    rows = layer_table()
    forward = sum(row.multiply_adds for row in rows)
    conv1 = next(row.multiply_adds for row in rows if row.name == "conv1")
    return 2 * (3 * forward - conv1) / 1e9


def matrix_product(size: int, dtype: torch.dtype, device: torch.device, tries: int) -> Callable[[], float]:
    """A measurement: the best rate (GFLOP/s) of some products of two random size x size matrices.

    The second as it lies in memory and transposed, as a linear layer's weights are: libraries prefer one or the other.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size, size, generator=generator).to(device, dtype)
    calls = 10 if device.type == "cuda" else 1  # one takes about a millisecond there: too short to time alone

    def rate() -> float:
        fastest = min(seconds(lambda m=m: a @ m, device, calls) for _ in range(tries) for m in (b, b.T))  # type: ignore[misc]
        return 2 * size**3 / fastest / 1e9

    return rate
