"""What all viewers share of the images: those of a run's data, and those that a training would take; all bounded."""

import streamlit as st

from core.config import TrainConfig
from core.data.batches import Batch, batch_at
from core.data.images import ImageSet
from core.data.sources import load_data, load_test_images
from core.paths import data_dir
from core.runs.run import Run


def test_images(run: Run) -> ImageSet:
    """The test set of a run's data. Raises DataError where it is gone."""
    return _test_set(run)[0]


def test_fingerprint(run: Run) -> str:
    """ImageSet.fingerprint() of the test set of a run's data. Raises DataError where it is gone."""
    return _test_set(run)[1]


def _test_set(run: Run) -> tuple[ImageSet, str]:
    config = run.config
    place = config.data_source, str(config.data_dir), config.seed
    return _test_images(place, run.data.get("test_fingerprint", ""), config)


@st.cache_resource(max_entries=2, show_spinner="Loading the test images")
def _test_images(
    place: tuple[str | int, ...],  # noqa: ARG001 - the cache's key, as is the next
    tested_on: str,  # noqa: ARG001 - a folder may have changed since another run was there
    _config: TrainConfig,
) -> tuple[ImageSet, str]:
    images = load_test_images(_config, data_dir=data_dir())
    return images, images.fingerprint()


def val_images(run: Run) -> ImageSet:
    """The validation images of a run, in its order. Raises DataError where its data is gone or isn't here yet."""
    return _val_set(run)[0]


def val_fingerprint(run: Run) -> str:
    """ImageSet.fingerprint() of the validation images of a run. Raises DataError as val_images does."""
    return _val_set(run)[1]


def _val_set(run: Run) -> tuple[ImageSet, str]:
    return _val_images(run.config.model_dump_json(), run.data.get("fingerprint", ""), run.config)


@st.cache_resource(max_entries=2, show_spinner="Loading the validation images")
def _val_images(settings: str, trained_on: str, _config: TrainConfig) -> tuple[ImageSet, str]:  # noqa: ARG001 - the key
    images = load_data(_config, data_dir=data_dir(), download=False).val
    return images, images.fingerprint()


def training_batch(config: TrainConfig, step: int, most: int) -> Batch:
    """The first images of the batch that `config` would train on after `step` steps.

    Nothing is downloaded: raises DataMissingError, or DataError.
    """
    deciding = (config.data_key, config.data_dir, config.seed, config.val_fraction, config.train_limit)
    return batch_at(config, _training_images(deciding, config), step, most)


@st.cache_resource(
    max_entries=1, ttl=60, show_spinner="Loading the training images; a large folder takes minutes the first time"
)
def _training_images(deciding: tuple[object, ...], _config: TrainConfig) -> ImageSet:  # noqa: ARG001 - the key
    return load_data(_config, data_dir=data_dir(), download=False).train
