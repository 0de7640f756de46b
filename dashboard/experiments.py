"""What all viewers share of the experiments on a network: channels switched off, pictures climbed to; bounded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from core.data.images import ImageSet, balanced_limit
from core.inspection.ablation import (
    Accuracy,
    Halfway,
    Off,
    accuracy_without,
    go_halfway,
    predict_without,
    single_ablations,
)
from core.inspection.maximization import Goal, OnStep, maximize, response
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, image_sets
from dashboard.images import Chosen
from dashboard.slots import slot

SAMPLE = 200  # test images, as many of each class

OnBatch = Callable[[int, int], None]


def without(checkpoint: Checkpoint, image: Chosen, off: Off) -> Prediction:
    """What the checkpoint says of a picture with these channels off. Raises CheckpointError, InspectionError."""
    return predict_without(cache.network(checkpoint), image.picture, off)


def effects(checkpoint: Checkpoint, image: Chosen, layer: str) -> np.ndarray | None:
    """The probabilities with each channel alone switched off, channels × classes; None where not computed yet."""
    return slot("effects", checkpoint.fingerprint, image.fingerprint, layer).found


def compute_effects(checkpoint: Checkpoint, image: Chosen, layer: str, on_batch: OnBatch) -> None:
    """Compute them, which takes seconds. Raises CheckpointError."""
    found = single_ablations(cache.network(checkpoint), image.picture, layer, on_batch)
    slot("effects", checkpoint.fingerprint, image.fingerprint, layer).found = found


def sample_size(checkpoint: Checkpoint) -> int:
    """How many test images a sample has: fewer where there are no more. Raises DataError where they are gone."""
    return min(SAMPLE, len(image_sets.test_images(checkpoint.run)))


def sample_accuracy(checkpoint: Checkpoint, layer: str, channels: tuple[int, ...]) -> Accuracy | None:
    """On a sample of the test images, with these channels off; None where not measured yet."""
    return slot("accuracy", *_key(checkpoint), layer if channels else "", channels).found


def measure_accuracy(checkpoint: Checkpoint, layer: str, channels: tuple[int, ...], on_batch: OnBatch) -> None:
    """Measure it where it isn't known; a second or two. Raises CheckpointError, DataError, InspectionError."""
    if sample_accuracy(checkpoint, layer, channels) is not None:
        return
    halfway = _halfway(_key(checkpoint), layer, checkpoint)
    found = accuracy_without(cache.network(checkpoint), halfway, channels, on_batch)
    slot("accuracy", *_key(checkpoint), layer if channels else "", channels).found = found


@st.cache_resource(max_entries=1, show_spinner="Bringing the test images to the layer")
def _halfway(key: tuple[str, Path], layer: str, _checkpoint: Checkpoint) -> Halfway:  # noqa: ARG001 - the key
    return go_halfway(cache.network(_checkpoint), _sample(_checkpoint), layer)


def dream(checkpoint: Checkpoint, goal: Goal, seed: int, steps: int) -> Image.Image | None:
    """The picture that raises `goal`, 227 × 227; None where not computed yet."""
    return slot("dream", checkpoint.fingerprint, goal, seed, steps).found


def compute_dream(checkpoint: Checkpoint, goal: Goal, seed: int, steps: int, on_step: OnStep) -> None:
    """Compute it, which takes seconds. Raises CheckpointError, InspectionError, and what on_step raises."""
    found = maximize(cache.network(checkpoint), goal, on_step, steps=steps, seed=seed)
    slot("dream", checkpoint.fingerprint, goal, seed, steps).found = Image.fromarray(found)


def strength(checkpoint: Checkpoint, goal: Goal, picture: Image.Image) -> float:
    """How far a picture of 227 × 227 pixels meets `goal`. Raises CheckpointError, InspectionError."""
    return float(response(cache.network(checkpoint), goal, np.asarray(picture)[None])[0])


def usual_strength(checkpoint: Checkpoint, goal: Goal) -> np.ndarray:
    """How far each of a sample of test images meets `goal`. Raises CheckpointError, DataError, InspectionError."""
    return _usual_strength(_key(checkpoint), goal, checkpoint)


@st.cache_resource(max_entries=256, show_spinner="Comparing with test images")
def _usual_strength(key: tuple[str, Path], goal: Goal, _checkpoint: Checkpoint) -> np.ndarray:  # noqa: ARG001
    images = _sample(_checkpoint)
    return response(cache.network(_checkpoint), goal, np.stack([images.image(i) for i in range(len(images))]))


def _key(checkpoint: Checkpoint) -> tuple[str, Path]:
    """Of what a checkpoint does with its run's test images: a copied run may have the same weights and others."""
    return checkpoint.fingerprint, checkpoint.run.path


def _sample(checkpoint: Checkpoint) -> ImageSet:
    return balanced_limit(image_sets.test_images(checkpoint.run), SAMPLE, seed=0)
