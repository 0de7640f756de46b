"""What all viewers share of passes over whole sets of images: the channel atlas, the outcomes, the history; bounded.

A pass takes minutes and tells how far it is, which a cached function can't: its result is put into a place that is
cached, and beside the weights where the run folder can be written.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.data.images import ImageSet
from core.errors import DataError
from core.history import History, read_history
from core.inspection.atlas import Atlas, LayerAtlas
from core.inspection.atlas import compute_atlas as inspect_channels
from core.inspection.patches import top_patches
from core.outcomes import Outcomes, judge
from core.runs.checkpoints import Checkpoint
from core.runs.run import Run
from core.runs.snapshots import snapshot_epochs
from dashboard.cache import network, test_images
from dashboard.images import jpeg


def atlas(checkpoint: Checkpoint) -> Atlas | None:
    """The channel atlas over the run's test images; None where it wasn't computed, or over others.

    Where the test images are gone, what is stored is believed: what it says of the channels stays true.
    """
    kept = _kept_atlas(checkpoint.fingerprint, checkpoint.run.path)
    if not kept:
        found = Atlas.load(_atlas_file(checkpoint))
        if found is not None and _is_of_test_images(found, checkpoint):
            kept.append(found)
    return kept[0] if kept else None


def _is_of_test_images(found: Atlas, checkpoint: Checkpoint) -> bool:
    try:
        images = test_images(checkpoint.run.config).fingerprint()
    except DataError:
        images = found.images
    return (found.images, found.class_names) == (images, checkpoint.class_names)


def compute_atlas(checkpoint: Checkpoint, on_batch: Callable[[int], None]) -> None:
    """Compute it, which takes minutes; kept beside the weights where that can be written. Raises CoreError."""
    images = test_images(checkpoint.run.config)
    found = inspect_channels(network(checkpoint), images, on_batch)
    _kept_atlas(checkpoint.fingerprint, checkpoint.run.path)[:] = [found]
    with contextlib.suppress(OSError):
        found.save(_atlas_file(checkpoint))


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept_atlas(weights: str, run_path: Path) -> list[Atlas]:  # noqa: ARG001 - the key
    """A place for one."""
    return []


def _atlas_file(checkpoint: Checkpoint) -> Path:
    return checkpoint.derived("atlas.npz")


def patches(checkpoint: Checkpoint, found: Atlas, layer: str, channel: int) -> bytes:
    """A JPEG of the patches to which a channel that isn't dead responds most. Raises DataError without test images."""
    images = test_images(checkpoint.run.config)
    return _patches((checkpoint.fingerprint, found.images, layer), channel, images, found.layers[layer])


@st.cache_resource(max_entries=512, show_spinner=False)
def _patches(key: tuple[str, ...], channel: int, _images: ImageSet, _entries: LayerAtlas) -> bytes:
    return jpeg(top_patches(_images, _entries, key[-1], channel))


def outcomes(checkpoint: Checkpoint) -> Outcomes | None:
    """What the checkpoint says of its run's test images; None where it was never asked. Raises DataError."""
    kept = _kept_outcomes(checkpoint.fingerprint, checkpoint.run.path)
    if not kept:
        found = Outcomes.load(_outcomes_file(checkpoint))
        if found is not None and found.images == test_images(checkpoint.run.config).fingerprint():
            kept.append(found)
    return kept[0] if kept else None


def judge_test_images(checkpoint: Checkpoint, on_batch: Callable[[int], None]) -> None:
    """Ask it, which may take minutes; kept beside the weights where that can be written. Raises CoreError."""
    images = test_images(checkpoint.run.config)
    found = judge(network(checkpoint), images, on_batch)
    _kept_outcomes(checkpoint.fingerprint, checkpoint.run.path)[:] = [found]
    with contextlib.suppress(OSError):
        found.save(_outcomes_file(checkpoint))


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept_outcomes(weights: str, run_path: Path) -> list[Outcomes]:  # noqa: ARG001 - the key
    """A place for one."""
    return []


def _outcomes_file(checkpoint: Checkpoint) -> Path:
    return checkpoint.derived("outcomes-test.npz")


def history(run: Run, class_names: tuple[str, ...]) -> History | None:
    """What each epoch said of the validation images; None for a run that kept none. Raises RunError."""
    return _history(run.path, str(run.environment), snapshot_epochs(run), class_names, run)


@st.cache_resource(max_entries=4, show_spinner="Reading what each epoch said of the validation images")
def _history(
    path: Path,  # noqa: ARG001 - the cache's key, as are the next
    started: str,  # noqa: ARG001 - another run may get the name of a deleted one
    epochs: tuple[int, ...],  # noqa: ARG001
    class_names: tuple[str, ...],
    _run: Run,
) -> History | None:
    return read_history(_run, class_names)
