"""What changes while training: begun afresh or from a checkpoint, and saved."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass, field

import torch

from core.config import TrainConfig
from core.data.images import ImageSet
from core.model.alexnet import AlexNet, InputSpec
from core.runs.checkpoints import (
    Which,
    available,
    find_checkpoint,
    load_model,
    load_training_state,
    save_checkpoint,
)
from core.runs.run import Run
from core.runs.writer import RunWriter
from core.training.device import pick_precision
from core.training.optimizer import make_optimizer, optimizer_tensors, restore_optimizer

_RECENT_STEPS = 50


@dataclass
class TrainingState:
    """Everything that changes while training.

    step: steps done. seconds: training time so far, over all attempts. sums: of this epoch, on the device: loss times
    images, correct images, images.
    """

    model: AlexNet
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    device: torch.device
    precision: torch.dtype
    num_steps: int
    steps_per_epoch: int
    sums: torch.Tensor
    step: int = 0
    best_accuracy: float = -1.0
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)
    step_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT_STEPS))
    validation_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    def eta_seconds(self, num_epochs: int) -> float:
        """Time left, from the median of recent steps; 0 while there are too few to tell."""
        if len(self.step_seconds) < min(5, self.num_steps):
            return 0.0
        steps_left = (self.num_steps - self.step) * statistics.median(self.step_seconds)
        return steps_left + (num_epochs - self.epoch) * self.validation_seconds


def begin(run: Run, config: TrainConfig, images: ImageSet, device: torch.device) -> TrainingState:
    """A fresh network for the training images, or the one that the run's last checkpoint holds."""
    if not available(run):
        return fresh(config, images, device)
    state = _around(load_model(run, "last", device).requires_grad_(True), config, len(images), device)
    _restore(run, state)
    return state


def fresh(config: TrainConfig, images: ImageSet, device: torch.device) -> TrainingState:
    """A new network for the training images, initialised from the seed."""
    names = images.class_names
    model = AlexNet(len(names), class_names=names, input_spec=_input_spec(config, images))
    model.initialize(torch.Generator().manual_seed(config.seed))
    return _around(model, config, len(images), device)


def _around(model: AlexNet, config: TrainConfig, num_images: int, device: torch.device) -> TrainingState:
    model.set_dropout(config.dropout)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator(device)
    model.use_generator(generator)
    steps_per_epoch = math.ceil(num_images / config.batch_size)
    return TrainingState(
        model=model,
        optimizer=make_optimizer(model, config),
        generator=generator,
        device=device,
        precision=pick_precision(config, device),
        num_steps=steps_per_epoch * config.num_epochs,
        steps_per_epoch=steps_per_epoch,
        sums=torch.zeros(3, dtype=torch.float64, device=device),
    )


def _restore(run: Run, state: TrainingState) -> None:
    last = find_checkpoint(run, "last")
    tensors = load_training_state(last)
    state.sums += tensors.pop("epoch_sums").to(state.device)
    restore_optimizer(state.model, state.optimizer, tensors)
    state.step = last.step
    state.seconds_before = last.seconds
    if "best" in available(run):
        state.best_accuracy = find_checkpoint(run, "best").val_accuracy or 0.0


def save(
    writer: RunWriter,
    state: TrainingState,
    *,
    val_accuracy: float | None = None,
    pointers: tuple[Which, ...] = ("last",),
) -> None:
    """Write a checkpoint from which this state can be begun again."""
    writer.report(phase="saving", force=True)
    save_checkpoint(
        writer,
        state.model,
        {**optimizer_tensors(state.model, state.optimizer), "epoch_sums": state.sums.cpu()},
        step=state.step,
        epoch=state.epoch,
        seconds=state.seconds,
        val_accuracy=val_accuracy,
        pointers=pointers,
    )
    state.saved = time.monotonic()


def _input_spec(config: TrainConfig, images: ImageSet) -> InputSpec:
    if config.normalize == "unit":
        return InputSpec(images.image_size, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
    pixels = images.images[: 1 << 14].permute(1, 0, 2, 3).flatten(1).double()
    mean, std = (tuple(round(v, 2) for v in row) for row in (pixels.mean(1).tolist(), pixels.std(1).tolist()))
    return InputSpec(images.image_size, mean, tuple(max(v, 1.0) for v in std))
