"""What a network said of each image of a set, and what follows from it: mistakes, accuracies, calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from core.data.images import ImageSet, require_usable
from core.evaluation import evaluate, per_class_accuracy
from core.files import load_arrays, save_arrays
from core.model.alexnet import AlexNet

Order = Literal["loss", "confidence"]
OUTCOMES_FILE = "outcomes-test.npz"  # for Checkpoint.derived: of the run's test images
_BINS = 15  # as many as Guo et al. use
_Z = 1.959964  # of the normal distribution: 95 % lie within
_SMALLEST = float(np.finfo(np.float32).tiny)  # a probability of 0 in float32 costs as much as this


@dataclass(frozen=True)
class Outcomes:
    """What a network said of N images, in their order.

    labels: int64, N, an index into class_names. probabilities: float32, N x K. images: ImageSet.fingerprint() of the
    images, empty where it isn't known.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    images: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predictions(self) -> np.ndarray:
        """The most probable class of each image, int64, N."""
        found: np.ndarray = self.probabilities.argmax(1)
        return found

    @property
    def correct(self) -> np.ndarray:
        """bool, N."""
        found: np.ndarray = self.predictions == self.labels
        return found

    @property
    def confidences(self) -> np.ndarray:
        """The probability of the predicted class, float32, N."""
        found: np.ndarray = self.probabilities.max(1)
        return found

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each image in nats, float64, N; at most 87.3, where the true class got no probability."""
        truth = self.probabilities[np.arange(len(self)), self.labels].astype(np.float64)
        found: np.ndarray = -np.log(np.maximum(truth, _SMALLEST))
        return found

    @property
    def confusion(self) -> np.ndarray:
        """Counts of true class x predicted class, int64, K x K."""
        classes = len(self.class_names)
        counts = np.bincount(self.labels * classes + self.predictions, minlength=classes**2)
        table: np.ndarray = counts.reshape(classes, classes)
        return table

    @property
    def accuracy(self) -> float:
        """0..1."""
        return float(self.correct.mean())

    @property
    def per_class_accuracy(self) -> np.ndarray:
        """0..1, float64, K; nan for a class without images."""
        return per_class_accuracy(self.confusion)

    def per_class_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the 95 % interval of each class's accuracy (Wilson 1927), float64, K each.

        0 and 1 for a class without images: nothing is known of it.
        """
        return wilson_interval(self.confusion.diagonal(), self.confusion.sum(1))

    def select(
        self, true: int | None = None, predicted: int | None = None, *, wrong: bool = False, by: Order = "loss"
    ) -> np.ndarray:
        """Positions of the images of that true and that predicted class, None being any, or of the mistakes among them.

        int64, in descending order of the loss or of the confidence.
        """
        wanted = ~self.correct if wrong else np.ones(len(self), bool)
        if true is not None:
            wanted &= self.labels == true
        if predicted is not None:
            wanted &= self.predictions == predicted
        order = np.argsort(-(self.losses if by == "loss" else self.confidences), kind="stable")
        found: np.ndarray = order[wanted[order]]
        return found

    def save(self, path: Path) -> None:
        """Write to `path` (npz), whole or not at all. Raises OSError."""
        about = {"class_names": np.array(self.class_names, dtype=str), "images": np.array(self.images, dtype=str)}
        save_arrays(path, {"labels": self.labels, "probabilities": self.probabilities} | about)

    @classmethod
    def load(cls, path: Path) -> Outcomes | None:
        """What `save` wrote; None where there is nothing, or nothing that can be used."""
        found = load_arrays(path, ("labels", "probabilities", "class_names", "images"))
        if found is None:
            return None
        labels, probabilities, names = found["labels"], found["probabilities"], tuple(found["class_names"].tolist())
        fits = labels.ndim == 1 and labels.dtype == np.int64 and probabilities.shape == (len(labels), len(names))
        if not (fits and len(labels) and np.isin(labels, np.arange(len(names))).all()):
            return None
        return cls(labels, probabilities.astype(np.float32), names, str(found["images"]))


def judge(model: AlexNet, images: ImageSet, on_batch: Callable[[int], object] | None = None) -> Outcomes:
    """What `model` says of all of `images`; on_batch hears the number done after each batch.

    Raises DataError for no images, or such of other classes than the network knows.
    """
    require_usable("image", images)
    found = evaluate(model, images, on_batch=on_batch)
    return Outcomes(images.labels.numpy(), found.probabilities, model.class_names, images.fingerprint())


def wilson_interval(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % score interval of a share (Wilson 1927), which stays within 0..1; 0 and 1 without trials."""
    n = np.maximum(trials, 1)
    share, spread = successes / n, _Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return np.where(trials > 0, middle - half, 0.0), np.where(trials > 0, middle + half, 1.0)


@dataclass(frozen=True)
class Calibration:
    """Does a network that says 80 % meet 80 %? Bins of the top-label confidence (Guo et al. 2017).

    ece: expected calibration error, 0..1, the mean distance of confidence and accuracy over all images.
    edges: float64, bins + 1; a bin holds its upper edge, not its lower one.
    confidence, accuracy: float64, one a bin, their means over its images, nan in an empty bin. counts: int64.
    """

    ece: float
    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray

    @property
    def bias(self) -> float:
        """Mean confidence less accuracy, -1..1: above 0 the network is surer than it should be."""
        share = self.counts / self.counts.sum()
        return float(np.nansum((self.confidence - self.accuracy) * share))


def calibration(outcomes: Outcomes, bins: int = _BINS) -> Calibration:
    """Confidence against accuracy in `bins` bins of equal width over 0..1."""
    edges = np.linspace(0, 1, bins + 1)
    confidences = outcomes.confidences.astype(np.float64)
    places = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    said = np.bincount(places, confidences, minlength=bins)
    met = np.bincount(places, outcomes.correct, minlength=bins)
    ece = float(np.abs(said - met).sum() / len(outcomes))
    confidence, accuracy = (np.divide(s, counts, out=np.full(bins, np.nan), where=counts > 0) for s in (said, met))
    return Calibration(ece, edges, confidence, accuracy, counts)
