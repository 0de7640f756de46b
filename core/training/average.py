"""A running average of the weights: judged and saved in place of the weights themselves, it does a little better."""

from __future__ import annotations

import torch

from core.model.alexnet import AlexNet

_UPDATE_EVERY = 4  # steps between updates: each costs a pass over 58 million weights


class WeightAverage:
    """An exponential moving average over `model`'s parameters.

    decay: per step, below 1. Early on the average follows faster, so that the first weights are soon forgotten.
    """

    def __init__(self, model: AlexNet, decay: float) -> None:
        self.decay = decay
        self._live: list[torch.Tensor] = list(model.parameters())
        self.model = model.without_weights()
        copies = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.model.load_state_dict(copies, assign=True)
        self.model.requires_grad_(False)
        self._averaged: list[torch.Tensor] = list(self.model.parameters())

    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` steps."""
        if step % _UPDATE_EVERY == 0:
            updates = step // _UPDATE_EVERY
            keep = min(self.decay**_UPDATE_EVERY, (1 + updates) / (10 + updates))
            with torch.no_grad():
                torch._foreach_lerp_(self._averaged, self._live, 1 - keep)
