"""What a run will cost here, before it starts: time, memory, disk."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import torch

from core.config import TrainConfig
from core.data.batches import steps_in_epoch
from core.data.images import CIFAR10_CLASSES, ImageSet
from core.model.layers import layer_table
from core.runs.run import Run
from core.runs.snapshots import count_kept
from core.training.device import (
    describe,
    device_lock,
    out_of_memory,
    pick_device,
    pick_precision,
    pick_threads,
    release_memory,
)
from core.training.progressive import cost_left
from core.training.state import fresh
from core.training.step import training_step

_PROBE_BATCH = 32  # fewer would blame the images for what an update of the weights costs
_TRIES = {"cpu": 3, "cuda": 8}  # the first steps on a GPU are not replayed as a graph yet
_EVALUATION_SHARE = 1 / 3  # a forward pass is about a third of a training step
_TENSORS_PER_WEIGHT = 4  # the weight, its gradient, two moments of Adam
_SNAPSHOT_BYTES = 5_400_000  # of eight pinned images, nearly all of it their feature maps
_TENSORS_PER_AVERAGE = {"cpu": 3, "cuda": 1}  # of an averaged weight besides: the average; and what saving them takes
_COPIES_PER_ACTIVATION = {"cpu": 1.4, "cuda": 2.5}  # itself, its gradient, what a layer keeps for its backward pass
_PROCESS_BYTES = 2_400_000_000  # Python, PyTorch, and what is kept of the memory that a save or the last test has freed


@dataclass(frozen=True)
class Speed:
    """How fast this machine trains, and what was measured: a device, with its threads, at a precision."""

    device: str
    precision: str
    images_per_second: float


@dataclass(frozen=True)
class Cost:
    """Of a whole run on ten classes, validation and test included.

    seconds is an estimate, None where the pace isn't known; the bytes are about right, the most at any time: of memory
    the whole process's, or the GPU's.
    """

    parameters: int
    memory_bytes: int
    disk_bytes: int
    seconds: float | None


def known_speed(config: TrainConfig, runs: Iterable[Run]) -> Speed | None:
    """The pace, at full input size, of the first of `runs` on the device and at the precision of `config`.

    Its optimiser and batch size have to be those of `config`, and on a CPU its threads.
    """
    here = describe(config, pick_device(config))
    for run in runs:
        now = run.progress
        if not now.full_size_images_per_second or not run.is_readable or (now.device, now.precision) != here:
            continue
        if (run.config.optimizer, run.config.batch_size) == (config.optimizer, config.batch_size):
            return Speed(*here, now.full_size_images_per_second)
    return None


def measure_speed(config: TrainConfig) -> Speed | None:
    """Time a few real training steps of `config` on random images; a few seconds on an idle CPU.

    None while this process trains. A training that begins meanwhile waits for the end of it.
    Raises ConfigError where the device isn't there, or a step doesn't fit into its memory.
    """
    if not device_lock.acquire(blocking=False):
        return None
    try:
        return _measured(config.model_copy(update={"progressive": False}))
    finally:
        device_lock.release()


def _measured(config: TrainConfig) -> Speed:
    device = pick_device(config)
    batch = min(_PROBE_BATCH, config.batch_size) if device.type == "cpu" else config.batch_size
    pixels = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8)
    images = ImageSet(pixels, torch.arange(batch) % 10, CIFAR10_CLASSES)
    before = torch.get_num_threads()
    torch.set_num_threads(pick_threads(config))
    try:
        return Speed(*describe(config, device), batch / _fastest_step(config, images, device))
    except torch.OutOfMemoryError:
        pass  # its traceback holds the network: what to say of it is raised once that is gone
    finally:
        torch.set_num_threads(before)
        release_memory()
    raise out_of_memory(config)


def _fastest_step(config: TrainConfig, images: ImageSet, device: torch.device) -> float:
    """In seconds; the network is gone afterwards."""
    state = fresh(config, images, device)
    batch = images.images.to(device), images.labels.to(device)
    seconds = []
    for _ in range(_TRIES[device.type]):
        began = time.perf_counter()
        training_step(config, state, *batch, 1e-6).tolist()  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def estimate(config: TrainConfig, speed: Speed | None, counts: dict[str, int]) -> Cost:
    """What a run of `config` costs on `counts` (train, val, test) images at `speed`."""
    per_epoch = counts["train"] * cost_left(config, 0, 1000) / 1000 + counts["val"] * _EVALUATION_SHARE
    images = config.num_epochs * per_epoch + counts["test"] * _EVALUATION_SHARE
    rows = layer_table()
    parameters = sum(row.parameters for row in rows)
    kept = count_kept(config.num_epochs, steps_in_epoch(counts["train"], config.batch_size))
    return Cost(
        parameters=parameters,
        memory_bytes=_memory(config, parameters, sum(prod(row.output_shape) for row in rows)),
        disk_bytes=parameters * 4 * _tensors_on_disk(config) + config.snapshots * kept * _SNAPSHOT_BYTES,
        seconds=images / speed.images_per_second if speed else None,
    )


def _memory(config: TrainConfig, parameters: int, activations: int) -> int:
    """In bytes. activations: values of one image in all layers."""
    device = pick_device(config)
    bytes_per_value = 4 if pick_precision(config, device) is torch.float32 else 2
    of_image = activations * bytes_per_value * _COPIES_PER_ACTIVATION[device.type]
    tensors = _TENSORS_PER_WEIGHT + _TENSORS_PER_AVERAGE[device.type] * bool(config.average_decay)
    process = _PROCESS_BYTES if device.type == "cpu" else 0
    return int(process + parameters * 4 * tensors + config.batch_size * of_image)


def _tensors_on_disk(config: TrainConfig) -> int:
    """Per weight, while a save is under way: the weights of the best, the last, the one before and the new checkpoint;
    of the last and the new the two moments, and the weights themselves where those are an average.
    """
    return 4 + 2 * (2 + bool(config.average_decay))
