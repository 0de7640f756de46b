"""Smaller inputs first: the size of the network's input over the course of a training."""

from __future__ import annotations

from core.config import TrainConfig
from core.model.alexnet import INPUT_SIZE

#: (share of the steps after which it ends, input size in pixels)
_STAGES = ((0.70, 131), (0.90, 179), (1.0, INPUT_SIZE))
_FULL_SIZE_EVERY = 20  # steps: one of so many is of full size at any time
#: share of a full-size step that costs the same at any size: the fully connected layers, the optimiser. Of a CPU; an
#: H200 had 0.36, so that the time left is said 11 % too long there at first.
_FIXED = 0.12


def input_size(config: TrainConfig, step: int, num_steps: int) -> int:
    """Side of the input, in pixels, for the step after `step` done ones.

    Now and then it is of full size: a network that saw no such input yet would hardly know one, and would show that
    wherever it is validated and looked at meanwhile.
    """
    if not config.progressive or step % _FULL_SIZE_EVERY == _FULL_SIZE_EVERY - 1:
        return INPUT_SIZE
    return next(size for end, size in _STAGES if step < end * num_steps or end == 1.0)


def step_cost(config: TrainConfig, step: int, num_steps: int) -> float:
    """What the step after `step` done ones costs, in steps at full size."""
    return _cost(input_size(config, step, num_steps))


def cost_left(config: TrainConfig, step: int, num_steps: int) -> float:
    """What the steps after `step` cost together, in steps at full size."""
    if not config.progressive:
        return float(num_steps - step)
    total, begin = 0.0, 0.0
    for end, size in _STAGES:
        steps = max(end * num_steps - max(begin * num_steps, step), 0.0)
        total += steps * (_cost(size) * (_FULL_SIZE_EVERY - 1) + 1) / _FULL_SIZE_EVERY
        begin = end
    return total


def _cost(size: int) -> float:
    return _FIXED + (1 - _FIXED) * (size / INPUT_SIZE) ** 2
