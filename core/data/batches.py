"""Which images a step trains on, and how chance changes them: functions of the seed and the step, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.data.augment import augment, cutmix
from core.data.images import ImageSet

_LAST_UNMIXED = 0.1  # share of all steps at the end that see whole images only, as the evaluation does


@dataclass(frozen=True)
class Batch:
    """The first N images of a step's batch, which has `size`: as they are stored, and as the network is given them.

    stored, given: uint8, N x S x S x 3. labels: the class of each stored image. shares: what each given one stands
    for, by class, the greatest share first; above 0, together 1.
    """

    size: int
    stored: np.ndarray
    given: np.ndarray
    labels: tuple[str, ...]
    shares: tuple[dict[str, float], ...]


def derived_seed(seed: int, number: int) -> int:
    """A seed from the run's and the number of an epoch or a step; neighbours' are far apart and share no stream.

    An epoch and the step of its number have the same: it draws an order for the one and augments for the other.
    """
    return (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 1) % 2**63


def steps_in_epoch(num_images: int, batch_size: int) -> int:
    """The last step of an epoch takes the images that are left."""
    return math.ceil(num_images / batch_size)


def epoch_order(seed: int, epoch: int, count: int) -> torch.Tensor:
    """The order of the `count` training images after `epoch` epochs, int64."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(derived_seed(seed, epoch)))


def mixing_at(config: TrainConfig, step: int, num_steps: int) -> float:
    """The share of a batch's images that CutMix changes after `step` of `num_steps` steps."""
    return config.cutmix if step < (1 - _LAST_UNMIXED) * num_steps else 0.0


def as_given(
    config: TrainConfig,
    images: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    mixing: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch (uint8, N x 3 x S x S, and int64, N) as the network gets it, with its targets.

    These are the labels, or with `mixing`, a probability, shares of the classes (float32, N x classes).
    """
    images = augment(
        images, flip=config.flip, crop_padding=config.crop_padding, cutout=config.cutout, generator=generator
    )
    if not mixing:
        return images, labels
    return cutmix(images, functional.one_hot(labels, num_classes), mixing, generator)


def batch_at(config: TrainConfig, images: ImageSet, step: int, most: int) -> Batch:
    """The batch that follows `step` steps of a training on `images`, in one process on a CPU; at most `most` images.

    A GPU draws other numbers for the changes; with several processes each draws its own.
    """
    steps_per_epoch = steps_in_epoch(len(images), config.batch_size)
    epoch, position = divmod(step, steps_per_epoch)
    order = epoch_order(config.seed, epoch, len(images))
    stored = images.select(order[position * config.batch_size : (position + 1) * config.batch_size])
    mixing = mixing_at(config, step, config.num_epochs * steps_per_epoch)
    generator = torch.Generator().manual_seed(derived_seed(config.seed, step))
    given, targets = as_given(config, stored.images, stored.labels, images.num_classes, mixing, generator)
    if not mixing:
        targets = functional.one_hot(targets, images.num_classes)
    return Batch(
        size=len(stored),
        stored=stored.images[:most].permute(0, 2, 3, 1).numpy(),
        given=given[:most].permute(0, 2, 3, 1).numpy(),
        labels=tuple(images.class_names[label] for label in stored.labels[:most].tolist()),
        shares=tuple(_shares(target, images.class_names) for target in targets[:most]),
    )


def _shares(target: torch.Tensor, class_names: tuple[str, ...]) -> dict[str, float]:
    order = target.argsort(descending=True).tolist()
    return {class_names[i]: float(target[i]) for i in order if target[i] > 0}
