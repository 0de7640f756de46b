"""What changes while training: begun afresh or from a checkpoint, and saved."""

from __future__ import annotations

import copy
import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from core.config import TrainConfig
from core.data.batches import steps_in_epoch
from core.data.images import ImageSet
from core.errors import RunError
from core.model.alexnet import AlexNet
from core.runs.checkpoints import (
    Checkpoint,
    Which,
    available,
    best_accuracy,
    find_checkpoint,
    load_model,
    load_training_state,
    save_checkpoint,
)
from core.runs.run import Run
from core.runs.writer import RunWriter
from core.training.average import WeightAverage
from core.training.beginning import find_pretrained, new_network
from core.training.device import pick_precision
from core.training.distributed import Peers, current
from core.training.graph import StepGraphs
from core.training.live_rate import LiveRate
from core.training.optimizer import make_optimizer, optimizer_tensors, restore_optimizer
from core.training.progressive import cost_left

_RECENT = 50  # steps on a CPU, on a GPU groups of steps
_LIVE = "live/"


class TimedSteps(NamedTuple):
    """Steps that were timed together, with what they would cost in steps of full size."""

    steps: int
    cost: float
    images: float
    seconds: float


@dataclass
class TrainingState:
    """Everything that changes while training.

    model: the network whose weights each step changes. network: what a step calls, `model` or, of several processes,
    what averages its gradients over them. average: follows its weights. judged: the one of the two that is validated
    and saved. generator: of augmentation and dropout, seeded before each step. sums: of this epoch, on the device: loss
    times images, correct images, images; 0 from its validation on. step: steps done. best_accuracy, best_epoch: of the
    best checkpoint. seconds: training time so far, over all attempts. recent: the pace is told from these. started_at,
    saved_at: on time.perf_counter.
    """

    model: AlexNet
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    device: torch.device
    precision: torch.dtype
    num_steps: int
    steps_per_epoch: int
    sums: torch.Tensor
    step: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds_before: float = 0.0
    started_at: float = field(default_factory=time.perf_counter)
    saved_at: float = field(default_factory=time.perf_counter)
    recent: deque[TimedSteps] = field(default_factory=lambda: deque(maxlen=_RECENT))
    validation_seconds: float = 0.0
    average: WeightAverage | None = None
    graphs: StepGraphs | None = None
    peers: Peers = field(default_factory=Peers)
    live_rate: LiveRate = field(default_factory=lambda: LiveRate([]))

    @property
    def has_epoch_to_finish(self) -> bool:
        """Whether all steps of an epoch are done and it has not been validated yet."""
        return self.step % self.steps_per_epoch == 0 and bool(self.sums[2] > 0)

    @property
    def judged(self) -> AlexNet:
        """The network that is validated and saved: the average of the weights where one is kept."""
        return self.average.model if self.average else self.model

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started_at

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def images_per_second(self) -> float:
        """Of the recent steps together: one alone may have had a small input, or a large one."""
        return sum(timed.images for timed in self.recent) / sum(timed.seconds for timed in self.recent)

    @property
    def full_size_images_per_second(self) -> float:
        """What the pace would be, were all inputs of full size; 0 where it is not that of one process."""
        if self.peers.count > 1:
            return 0.0
        return self.images_per_second * sum(t.cost for t in self.recent) / sum(t.steps for t in self.recent)

    def eta_seconds(self, config: TrainConfig) -> float:
        """Time left, from the pace of recent steps; 0 while there are too few to tell."""
        if len(self.recent) < min(5, self.num_steps):
            return 0.0
        seconds_per_cost = sum(timed.seconds for timed in self.recent) / sum(timed.cost for timed in self.recent)
        training = cost_left(config, self.step, self.num_steps) * seconds_per_cost
        return training + (config.num_epochs - self.epoch) * self.validation_seconds


def begin(writer: RunWriter, config: TrainConfig, images: ImageSet, device: torch.device) -> TrainingState:
    """A fresh network for the training images, or the one that the run's last checkpoint holds.

    Raises ConfigError where the weights to begin with aren't there.
    """
    run = writer.run
    if available(run):
        # A copy: the weights that are loaded lie in the checkpoint's file, which a later save deletes.
        model = copy.deepcopy(load_model(run, "last", device)).requires_grad_(True)
        state = _around(model, config, len(images), device)
        _restore(run, state)
    else:
        pretrained = find_pretrained(config, run.path.parent)
        if pretrained:
            step, weights = pretrained.step, pretrained.fingerprint
            writer.log("event", event="pretrained", run=pretrained.run.id, step=step, weights=weights)
        state = fresh(config, images, device, pretrained)
    # Of several processes each waits here until all have looked at the run: the first will soon save to it.
    state.live_rate = LiveRate(state.peers.broadcast(writer.rate_changes()))
    return state


def fresh(
    config: TrainConfig, images: ImageSet, device: torch.device, pretrained: Checkpoint | None = None
) -> TrainingState:
    """Before the first step, with a new network for the training images."""
    return _around(new_network(config, images, pretrained), config, len(images), device)


def _around(model: AlexNet, config: TrainConfig, num_images: int, device: torch.device) -> TrainingState:
    model.set_dropout(config.dropout)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator(device)
    model.use_generator(generator)
    steps_per_epoch = steps_in_epoch(num_images, config.batch_size)
    peers = current()
    precision = pick_precision(config, device)
    can_record = device.type == "cuda" and peers.count == 1 and config.optimizer != "sgd"
    return TrainingState(
        average=WeightAverage(model, config.average_decay) if config.average_decay else None,
        graphs=StepGraphs(generator) if can_record else None,
        peers=peers,
        model=model,
        network=peers.connect(model, device),
        optimizer=make_optimizer(model, config, precision),
        generator=generator,
        device=device,
        precision=precision,
        num_steps=steps_per_epoch * config.num_epochs,
        steps_per_epoch=steps_per_epoch,
        sums=torch.zeros(3, dtype=torch.float64, device=device),
    )


def _restore(run: Run, state: TrainingState) -> None:
    last = find_checkpoint(run, "last")
    tensors = load_training_state(last)
    state.sums += torch.tensor(last.epoch_sums, dtype=torch.float64, device=state.device)
    live = {name: tensors.pop(_LIVE + name) for name, _ in state.model.named_parameters() if _LIVE + name in tensors}
    if live:  # the checkpoint's weights are the average, which `state.average` began with
        state.model.load_state_dict(live)
    restore_optimizer(state.model, state.optimizer, tensors)
    state.step = last.step
    state.seconds_before = last.seconds
    if (best := best_accuracy(run)) is not None:
        state.best_accuracy, state.best_epoch = best, find_checkpoint(run, "best").epoch


def save(
    writer: RunWriter,
    state: TrainingState,
    *,
    val_accuracy: float | None = None,
    pointers: tuple[Which, ...] = ("last",),
) -> None:
    """Write a checkpoint from which this state can be begun again. Raises RunError where the weights are no numbers.

    Of several processes only the first writes.
    """
    require_finite(state)
    if state.peers.is_first:
        writer.report(
            phase="saving", message="" if state.step else "Saving the network before its first step", force=True
        )
        save_checkpoint(
            writer,
            state.judged,
            {**optimizer_tensors(state.model, state.optimizer), **_live_weights(state)},
            step=state.step,
            epoch=state.epoch,
            seconds=state.seconds,
            val_accuracy=val_accuracy,
            epoch_sums=state.sums.tolist(),
            pointers=pointers,
        )
    state.saved_at = time.perf_counter()


def require_finite(state: TrainingState) -> None:
    """Raises RunError where a weight is not a number any more: nothing could be learnt from there on."""
    finite = torch.stack([parameter.isfinite().all() for parameter in state.model.parameters()])
    if not bool(finite.all()):
        raise diverged(state.step)


def diverged(step: int) -> RunError:
    """What to say of a training that left the numbers."""
    return RunError(
        f"The loss or a weight is no longer a number at step {step}: training diverged. Lower the "
        "learning rate, also of a resume, or warm up longer; the checkpoints from before are kept."
    )


def _live_weights(state: TrainingState) -> dict[str, torch.Tensor]:
    """The weights that training goes on with, where they aren't the ones that a checkpoint shows."""
    if state.average is None:
        return {}
    return {_LIVE + name: value.detach().cpu().contiguous() for name, value in state.model.named_parameters()}
