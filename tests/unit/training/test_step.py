"""core.training.step: what a step reports beside the losses."""

from __future__ import annotations

import pytest
import torch

from core.config import make_config
from core.data.images import CIFAR10_CLASSES, ImageSet
from core.training.state import TrainingState, fresh
from core.training.step import training_step

RATE = 0.1


def weights(state: TrainingState) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in state.model.parameters()]).double()


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("most", [0.0, 0.25, 1e6])
def test_the_gradients_norm_is_that_before_it_was_clipped(most: float) -> None:
    """The first step of plain gradient descent moves the weights by the rate times the gradient that it was left."""
    config = make_config(
        optimizer="sgd", weight_decay=0, clip_norm=most, device="cpu", precision="float32", batch_size=2, num_epochs=1
    )
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = ImageSet(pixels, torch.tensor([0, 1]), CIFAR10_CLASSES)
    state = fresh(config, images, torch.device("cpu"))
    before = weights(state)
    _, _, count, norm = training_step(config, state, images.images, images.labels, RATE).tolist()
    assert count == 2
    assert norm > 0.25
    assert float((weights(state) - before).norm()) / RATE == pytest.approx(min(norm, most or norm), rel=1e-3)
