"""How well a network does on a set of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from core.data.images import ImageSet
from core.model.alexnet import AlexNet, normalize

_BATCH = 250


@dataclass(frozen=True)
class Evaluation:
    """loss: mean cross-entropy, nats. accuracy: 0..1. per_class_accuracy: 0..1, nan for a class without images.

    confusion: int64, true class x predicted class, counts.
    """

    loss: float
    accuracy: float
    per_class_accuracy: np.ndarray
    confusion: np.ndarray

    def record(self) -> dict[str, object]:
        """As plain JSON; an accuracy that isn't defined is null."""
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
    on_batch: Callable[[int], None] | None = None,
) -> Evaluation:
    """Classify all of `images`, without augmentation or dropout; on_batch hears the number done after each batch.

    The model's mode (training or evaluation) is put back afterwards.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    losses = torch.zeros((), device=device, dtype=torch.float64)
    confusion = torch.zeros(model.num_classes**2, device=device, dtype=torch.int64)
    try:
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
            for start in range(0, len(images), _BATCH):
                batch = images.images[start : start + _BATCH].to(device)
                labels = images.labels[start : start + _BATCH].to(device)
                pixels = normalize(batch, model.input_spec).contiguous(memory_format=torch.channels_last)
                logits = model(pixels).float()
                losses += functional.cross_entropy(logits, labels, reduction="sum")
                pairs = labels * model.num_classes + logits.argmax(1)
                confusion += torch.bincount(pairs, minlength=model.num_classes**2)
                if on_batch is not None:
                    on_batch(start + len(labels))
    finally:
        model.train(was_training)
    table = confusion.view(model.num_classes, model.num_classes).cpu().numpy()
    counts = table.sum(1)
    per_class = np.divide(table.diagonal(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Evaluation(float(losses) / len(images), float(table.trace() / len(images)), per_class, table)
