"""Compact weights trained a little more, so that few factors answer as well as the matrices they stand for."""

from __future__ import annotations

import torch
from torch.func import functional_call
from torch.nn import functional

from core.config import TrainConfig
from core.data.augment import augment
from core.data.images import ImageSet, require_classes
from core.model.alexnet import INPUT_SIZE, AlexNet, normalize
from core.progress import OnProgress, no_progress
from core.runs.checkpoints import Tensors
from core.runs.compact import expand
from core.training.device import fastest_device, pick_precision
from core.training.optimizer import set_learning_rate

_BATCH = 250
_LEARNING_RATE = 1e-4  # falls to 0 in a straight line


def refit(
    model: AlexNet, weights: Tensors, images: ImageSet, config: TrainConfig, progress: OnProgress = no_progress
) -> Tensors:
    """`weights`, which compact made of `model`'s, after one pass over `images`, the training images of `config`.

    Only the fully connected layers learn, by AdamW without weight decay, from images augmented as in the training but
    for CutMix and cutout, with its dropout and label smoothing. The same weights and images give the same on the same
    device. `model` is used up: its mode, device and generator change. Raises DataError for images of other classes.
    """
    require_classes(images, model.class_names)
    device = fastest_device()
    precision = pick_precision(config, device)
    generator = torch.Generator(device).manual_seed(config.seed)
    model.to(device).train().requires_grad_(False)
    model.set_dropout(config.dropout)
    model.use_generator(generator)
    learning = {
        name: weight.to(device, torch.float32, copy=True).requires_grad_()
        for name, weight in weights.items()
        if name.startswith("fc")
    }
    optimizer = torch.optim.AdamW(learning.values(), lr=_LEARNING_RATE, weight_decay=0)
    order = torch.randperm(len(images), device=device, generator=generator).cpu()
    for start in range(0, len(order), _BATCH):
        set_learning_rate(optimizer, _LEARNING_RATE * (1 - start / len(order)))
        batch = order[start : start + _BATCH]
        pixels, labels = images.images[batch].to(device), images.labels[batch].to(device)
        pixels = augment(pixels, flip=config.flip, crop_padding=config.crop_padding, generator=generator)
        x = normalize(pixels, model.input_spec, None)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            logits = functional_call(model, expand(learning), (x, INPUT_SIZE))
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done = start + len(batch)
        progress(done, len(images), f"Refitted on {done:,} of {len(images):,} images")
    return weights | {name: weight.detach().half().cpu() for name, weight in learning.items()}
