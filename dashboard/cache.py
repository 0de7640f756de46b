"""What all viewers share of networks and metrics: one network a checkpoint, one metrics reader a run; all bounded."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.data.uploads import decode_picture
from core.inspection.attribution import Attribution, Method, attribute
from core.inspection.backprojection import Way, backproject
from core.inspection.feature_maps import FeatureMaps
from core.inspection.filters import filter_weights
from core.inspection.mosaic import Levels, Mosaic, Scale, lay_out, to_levels
from core.inspection.walkthrough import Activations, Walk, trace
from core.inspection.walkthrough import walk as take_walk
from core.model import AlexNet, LayerInfo, layer_table
from core.prediction import Prediction, network_input, predict
from core.progress import OnProgress, no_progress
from core.runs.checkpoints import Checkpoint, open_model
from core.runs.metrics import MetricsReader
from core.runs.run import Run
from dashboard.images import Chosen
from dashboard.slots import slot

MAX_UPLOADS = 24  # pictures shown at once


def metrics(run: Run) -> MetricsReader:
    """The one reader of a run's metrics; poll it for what is new. Raises RunError."""
    return _metrics(run.path, str(run.environment))


@st.cache_resource(max_entries=32, show_spinner=False)
def _metrics(run_path: Path, started: str) -> MetricsReader:  # noqa: ARG001 - another run may get a deleted one's name
    return MetricsReader(run_path)


@st.cache_resource(max_entries=3, show_spinner="Loading the network")
def _model(fingerprint: str, _checkpoint: Checkpoint) -> AlexNet:  # noqa: ARG001 - the cache's key
    return open_model(_checkpoint)


def network(checkpoint: Checkpoint) -> AlexNet:
    """Its network, the one for all viewers: nobody may change it. Raises CheckpointError."""
    return _model(checkpoint.fingerprint, checkpoint)


@st.cache_resource(max_entries=MAX_UPLOADS, show_spinner=False)  # fewer than a page shows would all miss, in turn
def uploaded(name: str, data: bytes) -> Chosen:
    """The picture in a file's bytes, decoded and hashed once; nobody may change it. Raises ImageError."""
    return Chosen(name, decode_picture(data, name))


def predictions(checkpoint: Checkpoint, images: list[Chosen]) -> list[Prediction]:
    """What the checkpoint says of each picture. Raises CheckpointError."""
    return _predictions(checkpoint.fingerprint, tuple(image.fingerprint for image in images), checkpoint, images)


@st.cache_resource(max_entries=64, show_spinner=False)
def _predictions(
    weights: str,  # noqa: ARG001 - the cache's key, as is the next
    pixels: tuple[str, ...],  # noqa: ARG001
    _checkpoint: Checkpoint,
    _images: list[Chosen],
) -> list[Prediction]:
    return predict(network(_checkpoint), [image.picture for image in _images])


def seen_by_network(checkpoint: Checkpoint, image: Chosen) -> np.ndarray:
    """The 227 × 227 pixels that the network gets of a picture."""
    return _seen_by_network(checkpoint.fingerprint, image.fingerprint, checkpoint, image)


@st.cache_resource(max_entries=32, show_spinner=False)
def _seen_by_network(weights: str, pixels: str, _checkpoint: Checkpoint, _image: Chosen) -> np.ndarray:  # noqa: ARG001
    return network_input(_image.picture, _checkpoint.input_spec)


def maps(checkpoint: Checkpoint, image: Chosen, layer: str, stage: str) -> FeatureMaps:
    """All channels of one layer and stage. Raises CheckpointError."""
    return _maps(checkpoint.fingerprint, image.fingerprint, layer, stage, checkpoint, image)


@st.cache_resource(max_entries=32, show_spinner=False)
def _maps(
    weights: str,  # noqa: ARG001 - the cache's key, as is the next
    pixels: str,  # noqa: ARG001
    layer: str,
    stage: str,
    _checkpoint: Checkpoint,
    _image: Chosen,
) -> FeatureMaps:
    # One pass gives all layers: the next layer of an image that was looked at costs nothing.
    return FeatureMaps(layer, stage, activations(_checkpoint, _image)[stage + layer.removeprefix("conv")])


def levels(checkpoint: Checkpoint, image: Chosen, maps: FeatureMaps, scale: Scale, fixed: float | None) -> Levels:
    """`maps`, which are the checkpoint's of this image, in colours. Raises InspectionError."""
    return _levels((checkpoint.fingerprint, image.fingerprint, maps.layer, maps.stage), scale, fixed, maps)


@st.cache_resource(max_entries=32, show_spinner=False)
def _levels(key: tuple[str, ...], scale: Scale, fixed: float | None, _maps: FeatureMaps) -> Levels:  # noqa: ARG001
    return to_levels(_maps, scale, fixed)


def sheet(
    checkpoint: Checkpoint,
    image: Chosen,
    maps: FeatureMaps,
    scale: Scale,
    fixed: float | None,
    channels: tuple[int, ...],
) -> Mosaic:
    """These channels of `maps`, in this order, as one picture. Raises InspectionError."""
    drawn = levels(checkpoint, image, maps, scale, fixed)
    key = (checkpoint.fingerprint, image.fingerprint, maps.layer, maps.stage, scale)
    return _sheet(key, fixed, np.array(channels, dtype=np.int32).tobytes(), drawn)


@st.cache_resource(max_entries=64, show_spinner=False)
def _sheet(key: tuple[str, ...], fixed: float | None, channels: bytes, _drawn: Levels) -> Mosaic:  # noqa: ARG001
    return lay_out(_drawn, np.frombuffer(channels, dtype=np.int32).tolist())


def activations(checkpoint: Checkpoint, image: Chosen) -> Activations:
    """The input and every layer's output up to pool5, 8 MB. Raises CheckpointError."""
    return _activations(checkpoint.fingerprint, image.fingerprint, checkpoint, image)


@st.cache_resource(max_entries=8, show_spinner=False)
def _activations(weights: str, pixels: str, _checkpoint: Checkpoint, _image: Chosen) -> Activations:  # noqa: ARG001
    return trace(network(_checkpoint), _image.picture)


def walk(checkpoint: Checkpoint, image: Chosen, layer: str, channel: int, row: int, column: int) -> Walk:
    """The arithmetic of one unit. Raises CheckpointError and InspectionError."""
    seen = activations(checkpoint, image)
    return take_walk(network(checkpoint), seen, layer, channel, row, column)


def attribution(
    checkpoint: Checkpoint, image: Chosen, method: Method, target: int, progress: OnProgress = no_progress
) -> Attribution:
    """What each pixel does for the score of class number `target`. Raises CheckpointError, InspectionError."""
    place = slot("attribution", checkpoint.fingerprint, image.fingerprint, method, target)
    if place.found is None:
        place.found = attribute(network(checkpoint), image.picture, method, target, progress)
    found: Attribution = place.found
    return found


def has_attribution(checkpoint: Checkpoint, image: Chosen, method: Method, target: int) -> bool:
    """Whether it is known already: no need to ask before it is shown."""
    return slot("attribution", checkpoint.fingerprint, image.fingerprint, method, target).found is not None


def backprojection(
    checkpoint: Checkpoint, image: Chosen, layer: str, channel: int, unit: tuple[int, int], way: Way
) -> np.ndarray:
    """What each pixel does for one unit before its ReLU. Raises CheckpointError and InspectionError."""
    return _backprojection(checkpoint.fingerprint, image.fingerprint, (layer, channel, unit, way), checkpoint, image)


@st.cache_resource(max_entries=32, show_spinner=False)  # 0.6 MB each
def _backprojection(weights: str, pixels: str, which: Any, _checkpoint: Checkpoint, _image: Chosen) -> np.ndarray:  # noqa: ARG001
    return backproject(network(_checkpoint), _image.picture, *which)


def kernel(checkpoint: Checkpoint, layer: str, channel: int) -> np.ndarray:
    """The weights of one channel's filter, input channels × height × width."""
    return filter_weights(network(checkpoint), layer, channel)


@st.cache_data(max_entries=1, show_spinner=False)
def layers() -> list[LayerInfo]:
    """The layer table of the network with ten classes."""
    return layer_table()
