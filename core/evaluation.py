"""How well a network does on a set of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from core.data.augment import shifted
from core.data.images import ImageSet, require_classes
from core.model.alexnet import INPUT_SIZE, AlexNet, normalize

_BATCH = 250  # at 1,000 conv1 alone would want 2 GB of a GPU, more than a small training

Views = Literal["plain", "flip", "flip-shift"]
#: (shift in stored pixels, mirrored): what is averaged over, known as test-time augmentation
_VIEWS: dict[Views, tuple[tuple[int, bool], ...]] = {
    "plain": ((0, False),),
    "flip": ((0, False), (0, True)),
    "flip-shift": tuple((shift, mirrored) for shift in (0, -1, 1) for mirrored in (False, True)),
}


@dataclass(frozen=True)
class Evaluation:
    """loss: mean cross-entropy, nats. accuracy: 0..1. per_class_accuracy: 0..1, nan for a class without images.

    confusion: int64, true class x predicted class, counts. probabilities: float32, images x classes, of the images that
    this process judged, in their order.
    """

    loss: float
    accuracy: float
    per_class_accuracy: np.ndarray
    confusion: np.ndarray
    probabilities: np.ndarray

    def record(self) -> dict[str, object]:
        """The figures as plain JSON; an accuracy that isn't defined is null."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "per_class_accuracy": [None if np.isnan(a) else round(float(a), 6) for a in self.per_class_accuracy],
            "confusion": self.confusion.tolist(),
        }


def evaluate(
    model: AlexNet,
    images: ImageSet,
    *,
    precision: torch.dtype = torch.float32,
    views: Views = "plain",
    on_batch: Callable[[int], object] | None = None,
    total: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.clone,
) -> Evaluation:
    """Classify all of `images`, without augmentation or dropout; on_batch hears the number done after each batch.

    views: average the probabilities over each image as it is (plain), with its mirror image (flip), or over both also
    moved by a pixel (flip-shift). total: sums a tensor over all processes that judge a share of the images each.
    The model's mode (training or evaluation) is put back. Raises DataError for images of other classes than it knows.
    """
    require_classes(images, model.class_names)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    losses = torch.zeros((), device=device, dtype=torch.float64)
    confusion = torch.zeros(model.num_classes**2, device=device, dtype=torch.int64)
    said = []
    try:
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
            for start in range(0, len(images), _BATCH):
                batch = images.images[start : start + _BATCH].to(device)
                labels = images.labels[start : start + _BATCH].to(device)
                log_probabilities = _log_probabilities(model, batch, views)
                losses += functional.nll_loss(log_probabilities, labels, reduction="sum")
                said.append(log_probabilities.exp())
                pairs = labels * model.num_classes + log_probabilities.argmax(1)
                confusion += torch.bincount(pairs, minlength=model.num_classes**2)
                if on_batch is not None:
                    on_batch(start + len(labels))
    finally:
        model.train(was_training)
    table = total(confusion).view(model.num_classes, model.num_classes).cpu().numpy()
    loss, accuracy = float(total(losses)) / table.sum(), table.trace() / table.sum()
    probabilities = torch.cat(said).cpu().numpy() if said else np.empty((0, model.num_classes), dtype=np.float32)
    return Evaluation(float(loss), float(accuracy), per_class_accuracy(table), table, probabilities)


def per_class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """The share of each true class that was predicted as itself: 0..1, float64; nan for a class without images.

    confusion: counts, true class x predicted class.
    """
    counts = confusion.sum(1)
    found: np.ndarray = np.divide(confusion.diagonal(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return found


def _log_probabilities(model: AlexNet, images: torch.Tensor, views: Views) -> torch.Tensor:
    """Log of the mean probabilities (float32, N x classes) over the views of `images` (uint8)."""
    found = []
    for shift, mirrored in _VIEWS[views]:
        view = shifted(images, shift, mirrored=mirrored) if shift or mirrored else images
        pixels = normalize(view, model.input_spec, None)
        found.append(model(pixels, INPUT_SIZE).float().log_softmax(1))
    return torch.logsumexp(torch.stack(found), 0) - math.log(len(found)) if len(found) > 1 else found[0]
