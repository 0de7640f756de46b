"""Smaller inputs first: the size of the network's input over the course of a training."""

from __future__ import annotations

from core.config import TrainConfig
from core.model.alexnet import INPUT_SIZE

#: (share of the steps after which it ends, input size in pixels)
_STAGES = ((0.65, 131), (0.88, 179), (1.0, INPUT_SIZE))


def input_size(config: TrainConfig, step: int, num_steps: int) -> int:
    """Side of the input, in pixels, for the step after `step` done ones."""
    if not config.progressive:
        return INPUT_SIZE
    return next(size for end, size in _STAGES if step < end * num_steps or end == 1.0)


def work(config: TrainConfig, step: int, num_steps: int) -> float:
    """What the steps after `step` cost together, in steps at full size: a step's cost goes with its input's area."""
    if not config.progressive:
        return float(num_steps - step)
    total, begin = 0.0, 0.0
    for end, size in _STAGES:
        steps = end * num_steps - max(begin * num_steps, step)
        total += max(steps, 0.0) * (size / INPUT_SIZE) ** 2
        begin = end
    return total
