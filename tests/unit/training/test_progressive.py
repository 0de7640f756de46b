"""core.training.progressive: which input sizes a training sees, and what its steps cost."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from core.config import TrainConfig, make_config
from core.data.images import CIFAR10_CLASSES, ImageSet
from core.model.alexnet import AlexNet
from core.training.progressive import cost_left, input_size, step_cost
from core.training.state import TimedSteps, TrainingState, fresh
from core.training.step import training_step

PLAIN, PROGRESSIVE = make_config(progressive=False), make_config(progressive=True)
NUM_STEPS = 3000


def sizes(first: int, last: int) -> Counter[int]:
    return Counter(input_size(PROGRESSIVE, step, NUM_STEPS) for step in range(first, last))


def begun(num_epochs: int) -> tuple[TrainConfig, TrainingState, ImageSet]:
    """A run of one step an epoch, on two black images."""
    config = make_config(progressive=True, device="cpu", precision="float32", batch_size=2, num_epochs=num_epochs)
    images = ImageSet(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1]), CIFAR10_CLASSES)
    return config, fresh(config, images, torch.device("cpu")), images


def test_without_it_every_input_is_of_full_size() -> None:
    assert {input_size(PLAIN, step, 40) for step in range(40)} == {227}
    assert cost_left(PLAIN, 10, 40) == 30


def test_the_inputs_grow_and_one_in_twenty_is_of_full_size_from_the_start() -> None:
    assert sizes(0, 2100) == {131: 1995, 227: 105}
    assert sizes(2100, 2700) == {179: 570, 227: 30}
    assert sizes(2700, 3000) == {227: 300}
    assert all(sizes(first, first + 20)[227] >= 1 for first in range(NUM_STEPS - 20))


@pytest.mark.parametrize("step", [0, 700, 2000, 2900, 3000])
def test_the_work_left_is_what_its_steps_cost(step: int) -> None:
    left = sum(step_cost(PROGRESSIVE, later, NUM_STEPS) for later in range(step, NUM_STEPS))
    assert cost_left(PROGRESSIVE, step, NUM_STEPS) == pytest.approx(left, rel=1e-3, abs=1e-9)
    assert left < 0.8 * (NUM_STEPS - step) or step >= 2900


def test_a_step_stretches_its_images_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    config, state, images = begun(24)
    seen: list[int] = []
    monkeypatch.setattr(
        AlexNet, "forward", lambda model, x, size: seen.append(size) or model.fc8(torch.zeros(len(x), 4096))
    )
    for step in range(24):
        state.step = step
        training_step(config, state, images.images, images.labels, 1e-4)
    assert seen == [input_size(config, step, 24) for step in range(24)]
    assert len(set(seen)) == 3


def test_the_time_left_and_the_pace_are_of_the_recent_steps_together() -> None:
    config, state, _ = begun(100)
    state.step, state.validation_seconds = 50, 3.0
    assert state.eta_seconds(config) == 0
    for cost, seconds in ((0.4, 1.0), (0.4, 1.0), (0.4, 1.0), (0.4, 1.0), (1.0, 2.5)):
        state.recent.append(TimedSteps(1, cost, 52.0, seconds))
    assert state.images_per_second == pytest.approx(40)
    assert state.full_size_images_per_second == pytest.approx(40 * (4 * 0.4 + 1.0) / 5)
    assert state.eta_seconds(config) == pytest.approx(2.5 * cost_left(config, 50, 100) + 50 * 3)
