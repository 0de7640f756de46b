"""What all viewers share of passes over whole sets of images: channel atlas, embedding, outcomes, history; bounded.

A pass takes minutes: its result is kept for all, and beside the weights where the run folder can be written.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.data.images import ImageSet
from core.errors import DataError
from core.history import History, read_history
from core.inspection.atlas import ATLAS_FILE, Atlas, LayerAtlas
from core.inspection.atlas import compute_atlas as inspect_channels
from core.inspection.embedding import EMBEDDING_FILE, Embedding, embed, vector_of
from core.inspection.embedding import nearest_in_pixels as search_pixels
from core.inspection.patches import top_patches
from core.outcomes import OUTCOMES_FILE, Outcomes, judge
from core.runs.checkpoints import Checkpoint
from core.runs.run import Run
from dashboard import snapshots
from dashboard.cache import network
from dashboard.image_sets import test_fingerprint, test_images
from dashboard.images import Chosen, jpeg_url
from dashboard.slots import slot

_LOOK_SECONDS = 0.5

_Found = Atlas | Embedding | Outcomes
_Load = Callable[[Path], _Found | None]


def atlas(checkpoint: Checkpoint) -> Atlas | None:
    """The channel atlas over the run's test images; None where it wasn't computed, or over others.

    Where the test images are gone, what is stored is believed: what it says of the channels stays true.
    """
    found: Atlas | None = _recall(checkpoint, ATLAS_FILE, Atlas.load)
    return found


def compute_atlas(checkpoint: Checkpoint, on_batch: Callable[[int], object]) -> None:
    """Compute it, which takes minutes. Raises CoreError."""
    _compute(checkpoint, ATLAS_FILE, Atlas.load, inspect_channels, on_batch)


def patches(checkpoint: Checkpoint, found: Atlas, layer: str, channel: int) -> str:
    """A picture of the patches to which a channel that isn't dead responds most, as an address (jpeg_url).

    Raises DataError without test images.
    """
    images = test_images(checkpoint.run)
    return _patches((checkpoint.fingerprint, found.images, layer), channel, images, found.layers[layer])


@st.cache_resource(max_entries=512, show_spinner=False)
def _patches(key: tuple[str, ...], channel: int, _images: ImageSet, _entries: LayerAtlas) -> str:
    return jpeg_url(top_patches(_images, _entries, key[-1], channel))


def embedding(checkpoint: Checkpoint) -> Embedding | None:
    """Where the checkpoint places its run's test images; None where it wasn't computed, or of others.

    Where the test images are gone, what is stored is believed.
    """
    found: Embedding | None = _recall(checkpoint, EMBEDDING_FILE, Embedding.load)
    return found


def compute_embedding(checkpoint: Checkpoint, on_batch: Callable[[int], object]) -> None:
    """Compute it, which takes minutes. Raises CoreError."""
    _compute(checkpoint, EMBEDDING_FILE, Embedding.load, embed, on_batch)


def vector(checkpoint: Checkpoint, found: Embedding, image: Chosen) -> np.ndarray:
    """The picture as a point among those of `found`, which is the checkpoint's."""
    return _vector((checkpoint.fingerprint, found.images, image.fingerprint), checkpoint, found, image)


@st.cache_resource(max_entries=256, show_spinner=False)
def _vector(key: tuple[str, ...], _checkpoint: Checkpoint, _found: Embedding, _image: Chosen) -> np.ndarray:  # noqa: ARG001
    return vector_of(network(_checkpoint), _found, _image.picture)


def nearest_in_pixels(images: ImageSet, found: Embedding, image: Chosen, count: int) -> np.ndarray:
    """Which images of `found`, made of these, have pixels most like the picture's."""
    return _nearest_in_pixels((found.images, image.fingerprint), image.number, count, images, found.numbers, image)


@st.cache_resource(max_entries=256, show_spinner=False)
def _nearest_in_pixels(
    key: tuple[str, ...],  # noqa: ARG001
    number: int | None,
    count: int,
    _images: ImageSet,
    _numbers: np.ndarray,
    _image: Chosen,
) -> np.ndarray:
    return search_pixels(_images, _numbers, _image.picture, count, number)


def outcomes(checkpoint: Checkpoint) -> Outcomes | None:
    """What the checkpoint says of its run's test images; None where it was never asked.

    Where the test images are gone, what is stored is believed.
    """
    found: Outcomes | None = _recall(checkpoint, OUTCOMES_FILE, Outcomes.load)
    return found


def keeps_others(checkpoint: Checkpoint, file: str) -> bool:
    """Whether what `file` keeps, if nothing is found, is of other test images than those on this computer."""
    return checkpoint.derived(file).exists()


def judge_test_images(checkpoint: Checkpoint, on_batch: Callable[[int], object]) -> None:
    """Ask it, which may take minutes. Raises CoreError."""
    _compute(checkpoint, OUTCOMES_FILE, Outcomes.load, judge, on_batch)


def _compute(
    checkpoint: Checkpoint,
    file: str,
    load: _Load,
    survey: Callable[..., _Found],
    on_batch: Callable[[int], object],
) -> None:
    """Compute what `file` keeps, for all. Whoever asks meanwhile watches, and takes over if it is given up."""
    place = slot(file, checkpoint.fingerprint, checkpoint.run.path)
    while not place.lock.acquire(timeout=_LOOK_SECONDS):
        on_batch(place.done)

    def tell(done: int) -> None:
        place.done = done
        on_batch(done)

    place.done = 0
    try:
        if _recall(checkpoint, file, load) is None:
            place.found = found = survey(network(checkpoint), test_images(checkpoint.run), tell)
            if checkpoint.run.is_readable:  # it may have been deleted meanwhile, and must not come back in part
                with contextlib.suppress(OSError):
                    found.save(checkpoint.derived(file))
    finally:
        place.lock.release()


def _recall(checkpoint: Checkpoint, file: str, load: _Load) -> Any:
    """What was kept for all, or else beside the weights, where that fits; None where there is nothing."""
    place = slot(file, checkpoint.fingerprint, checkpoint.run.path)
    found = place.found
    if found is None or not _is_of_test_images(found, checkpoint):
        found = load(checkpoint.derived(file))
        if found is None or not _is_of_test_images(found, checkpoint):
            return None
        place.found = found
    return found


def _is_of_test_images(found: _Found, checkpoint: Checkpoint) -> bool:
    try:
        images = test_fingerprint(checkpoint.run)
    except DataError:
        images = found.images
    return (found.images, found.class_names) == (images, checkpoint.class_names)


def history(run: Run, class_names: tuple[str, ...]) -> History | None:
    """What each epoch said of the validation images; None for a run that kept none. Raises RunError."""
    return _history(run.path, str(run.environment), snapshots.written(run), class_names, run)


@st.cache_resource(max_entries=4, show_spinner="Reading what each epoch said of the validation images")
def _history(
    path: Path,  # noqa: ARG001 - the cache's key, as are the next
    started: str,  # noqa: ARG001 - another run may get the name of a deleted one
    written: tuple[int, ...],  # noqa: ARG001
    class_names: tuple[str, ...],
    _run: Run,
) -> History | None:
    return read_history(_run, class_names)
