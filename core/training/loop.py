"""The training loop: from a run's config to its checkpoints, one step after the other."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from pathlib import Path

import torch

from core.config import TrainConfig
from core.data.batches import epoch_order
from core.data.images import ImageSet
from core.errors import StopRequested
from core.evaluation import Evaluation, evaluate
from core.model.alexnet import AlexNet
from core.outcomes import OUTCOMES_FILE, Outcomes
from core.runs.checkpoints import Which, available, find_checkpoint, open_model
from core.runs.run import RunState
from core.runs.snapshots import forget_snapshots_after, is_kept, part_of_first_epoch
from core.runs.writer import RunWriter
from core.training.device import describe, memory_in_use, pick_device, prepare_worker
from core.training.loading import load
from core.training.optimizer import learning_rate
from core.training.progressive import step_cost
from core.training.snapshots import Watched, take_snapshot, watch
from core.training.state import TimedSteps, TrainingState, begin, diverged, require_finite, save
from core.training.step import training_step

#: step number (1-based), learning rate, and on the device: sum of losses, correct images, images, gradient's norm
PendingStep = tuple[int, float, torch.Tensor]
_LOG_SECONDS = 0.25  # on a GPU, losses are read back no more often than this: each read waits for the device


def train(writer: RunWriter, data_dir: Path) -> RunState:
    """Train the writer's run from where it stands to its end, or until a stop is requested.

    Returns FINISHED or STOPPED. Raises CoreError with a sentence for what a user can mend, StopRequested where the
    images weren't loaded yet.
    """
    config = writer.run.config
    device = pick_device(config)
    threads = prepare_worker(config, device)
    name, precision = describe(config, device)
    writer.report(device=name, precision=precision)
    data = load(writer, config, data_dir)
    state = begin(writer, config, data.train, device)
    attempt = {"attempt": writer.attempt, "precision": precision, "threads": threads}
    writer.log("event", event="start", step=state.step, seconds=state.seconds, **attempt)
    watched = watch(writer, config, data)
    is_new = state.peers.broadcast(not available(writer.run))  # the first process decides: it may have saved by now
    if is_new:
        save(writer, state)
        take_snapshot(writer, state, watched, 0)
    elif state.peers.is_first:
        forget_snapshots_after(writer.run, state.step)
    images = data.train.images.to(device), data.train.labels.to(device)
    try:
        while state.has_epoch_to_finish or not _is_over(config, state):
            if not state.has_epoch_to_finish:
                train_one_epoch(writer, config, state, *images, watched)
            _finish_epoch(writer, config, state, data.val, watched)
        if state.epoch < config.num_epochs:
            writer.log("event", event="early stop", epoch=state.epoch, best_epoch=state.best_epoch)
        _test(writer, state, data.test)
    except StopRequested:
        save(writer, state)
        return RunState.STOPPED
    return RunState.FINISHED


def _is_over(config: TrainConfig, state: TrainingState) -> bool:
    """Whether no further epoch is to begin: all are done, or the saved ones have not become better for too long."""
    is_saved = state.epoch % config.checkpoint_epochs == 0
    waited_in_vain = config.patience > 0 and is_saved and state.epoch - state.best_epoch >= config.patience
    return state.epoch >= config.num_epochs or waited_in_vain


def train_one_epoch(
    writer: RunWriter,
    config: TrainConfig,
    state: TrainingState,
    images: torch.Tensor,
    labels: torch.Tensor,
    watched: Watched | None,
) -> None:
    """The rest of the current epoch. Raises StopRequested where a stop was requested before its end.

    The order of the images depends on the seed and the epoch, what chance does in a step (augmentation, dropout) on
    the seed and the step: so a resumed run goes on exactly as an uninterrupted one, and no generator needs saving.
    """
    order = epoch_order(config.seed, state.epoch, len(labels)).to(labels.device)
    state.model.train()
    pending: list[PendingStep] = []
    flushed = time.perf_counter()
    for start in range((state.step % state.steps_per_epoch) * config.batch_size, len(order), config.batch_size):
        stop, asked = state.peers.broadcast_numbers(writer.stop_requested, writer.learning_rate_factor)
        if stop:
            _log_steps(writer, config, state, pending, flushed)
            raise StopRequested("Stopped while training.")
        factor = state.live_rate.factor(writer, state.step, asked)
        rate = factor * learning_rate(config, state.step, state.num_steps)
        chosen = state.peers.share(order[start : start + config.batch_size])
        result = training_step(config, state, images[chosen], labels[chosen], rate)
        state.step += 1
        if state.average:
            state.average.update(state.step)
        pending.append((state.step, rate, result))
        at_end = start + config.batch_size >= len(order)
        part = part_of_first_epoch(state.step, state.steps_per_epoch) if watched else None
        if at_end or part or state.device.type == "cpu" or time.perf_counter() - flushed > _LOG_SECONDS:
            _log_steps(writer, config, state, pending, flushed)
            if part:
                require_finite(state)
                take_snapshot(writer, state, watched, part)
            if not at_end and time.perf_counter() - state.saved_at > config.checkpoint_seconds:
                save(writer, state)
            pending, flushed = [], time.perf_counter()


def _log_steps(
    writer: RunWriter, config: TrainConfig, state: TrainingState, pending: list[PendingStep], since: float
) -> None:
    """Write the records of the pending steps, begun at `since`, and the progress.

    Raises RunError where a loss is not a number.
    """
    if not pending:
        return
    results = torch.stack([result for *_, result in pending]).tolist()  # waits for the device
    cost = sum(step_cost(config, step - 1, state.num_steps) for step, *_ in pending)
    images = sum(count for _, _, count, _ in results)
    state.recent.append(TimedSteps(len(pending), cost, images, time.perf_counter() - since))
    seconds, epoch = state.seconds, (pending[0][0] - 1) // state.steps_per_epoch + 1
    images_per_second = state.images_per_second
    for (step, rate, _), (loss_sum, correct, count, norm) in zip(pending, results, strict=True):
        loss = loss_sum / count
        if not math.isfinite(loss):
            raise diverged(step)
        writer.log(
            "step",
            step=step,
            epoch=epoch,
            seconds=round(seconds, 3),
            loss=round(loss, 6),
            accuracy=round(correct / count, 6),
            learning_rate=rate,
            gradient_norm=float(f"{norm:.6g}") if math.isfinite(norm) else None,
            images_per_second=round(images_per_second, 2),
        )
    _report_training(writer, config, state, epoch)


def _report_training(writer: RunWriter, config: TrainConfig, state: TrainingState, epoch: int) -> None:
    writer.report(
        phase="training",
        message=f"Epoch {epoch} of {config.num_epochs}",
        step=state.step,
        num_steps=state.num_steps,
        epoch=epoch,
        num_epochs=config.num_epochs,
        seconds=state.seconds,
        images_per_second=state.images_per_second,
        full_size_images_per_second=state.full_size_images_per_second,
        eta_seconds=state.eta_seconds(config),
        memory_bytes=memory_in_use(state.device),
    )


def _finish_epoch(
    writer: RunWriter, config: TrainConfig, state: TrainingState, val: ImageSet, watched: Watched | None
) -> None:
    """Validate, record the epoch, take a snapshot, and save where it is time."""
    require_finite(state)
    began = time.perf_counter()
    result = _evaluate(writer, state, state.judged, val, "validating")
    state.validation_seconds = time.perf_counter() - began
    if not math.isfinite(result.loss):
        raise diverged(state.step)
    loss, correct, count = state.sums.tolist()
    state.sums.zero_()
    writer.log(
        "epoch",
        epoch=state.epoch,
        step=state.step,
        seconds=round(state.seconds, 3),
        train_loss=loss / count,
        train_accuracy=correct / count,
        **{f"val_{name}": value for name, value in result.record().items()},
    )
    if is_kept(state.epoch, config.num_epochs):
        take_snapshot(writer, state, watched, state.epoch, result)
    is_due = state.epoch % config.checkpoint_epochs == 0 or state.epoch == config.num_epochs
    if not state.peers.broadcast(is_due or time.perf_counter() - state.saved_at > config.checkpoint_seconds):
        return
    pointers: tuple[Which, ...] = ("last",)
    if is_due and result.accuracy > state.best_accuracy:  # else the clock would decide which is the best
        state.best_accuracy, state.best_epoch = result.accuracy, state.epoch
        pointers = ("best", "last")
    save(writer, state, val_accuracy=result.accuracy, pointers=pointers)


def _evaluate(writer: RunWriter, state: TrainingState, model: AlexNet, images: ImageSet, phase: str) -> Evaluation:
    """Each process judges its share; all know the result."""
    writer.report(phase=phase, message="", force=True)
    peers, began = state.peers, time.perf_counter()

    def heartbeat(done: int) -> None:
        if peers.count == 1 and writer.stop_requested:  # of several, none may leave alone
            raise StopRequested(f"Stopped while {phase}.")
        done = min(done * peers.count, len(images))
        message = f"{phase.capitalize()}: {done:,} of {len(images):,} images"
        if phase == "testing":  # which is all that is left; while validating, the training is
            writer.report(message=message, eta_seconds=(time.perf_counter() - began) * (len(images) - done) / done)
        else:
            writer.report(message=message)

    mine = peers.share(torch.arange(len(images)))
    share = images.select(mine) if peers.count > 1 else images
    result = evaluate(model, share, precision=state.precision, on_batch=heartbeat, total=peers.total)
    if peers.count == 1:
        return result
    everyone = torch.zeros(len(images), model.num_classes)
    everyone[mine] = torch.from_numpy(result.probabilities)
    return replace(result, probabilities=peers.total(everyone.to(state.device)).cpu().numpy())


def _test(writer: RunWriter, state: TrainingState, test: ImageSet) -> None:
    """Judge the best checkpoint once on the test images, which nothing was chosen on; its answers are kept."""
    state.peers.barrier()  # the first process has saved it
    best = find_checkpoint(writer.run, "best")
    model = open_model(best, state.device).to(memory_format=torch.channels_last)
    result = _evaluate(writer, state, model, test, "testing")
    if state.peers.is_first:
        with contextlib.suppress(OSError):  # the pages would ask it again
            answers = Outcomes(test.labels.numpy(), result.probabilities, best.class_names, test.fingerprint())
            answers.save(best.derived(OUTCOMES_FILE))
    writer.test_accuracy = result.accuracy
    writer.log("event", event="test", checkpoint="best", num_images=len(test), **result.record())
