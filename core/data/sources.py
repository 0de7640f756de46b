"""From a TrainConfig to the three sets that a run trains, validates and tests on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.config import TrainConfig
from core.data.cifar10 import load_cifar10
from core.data.folder import count_folder, load_folder
from core.data.images import DataSplits, ImageSet, balanced_limit, require_usable, split_off
from core.data.shapes import make_shapes
from core.progress import OnProgress, no_progress

NUM_SHAPES_TRAIN = 6_000
NUM_SHAPES_TEST = 1_000


def load_data(
    config: TrainConfig, *, data_dir: Path, progress: OnProgress = no_progress, download: bool = True
) -> DataSplits:
    """The sets that `config` asks for; `data_dir` keeps downloads and caches.

    Validation is split off the training part by config.val_fraction and config.seed, so the same config gives the
    same three disjoint sets on every machine. Then train_limit and val_limit apply; the test set is always whole.
    Raises DataError, without `download` DataMissingError where it is needed, and StopRequested out of `progress`.
    """
    train, test, notes = _load(config, data_dir, progress, download=download)
    train, val = split_off(train, config.val_fraction, config.seed)
    train = balanced_limit(train, config.train_limit, config.seed)
    val = balanced_limit(val, config.val_limit, config.seed)
    for name, images in (("training", train), ("validation", val), ("test", test)):
        require_usable(name, images)
    return DataSplits(train, val, test, notes)


def load_test_images(config: TrainConfig, *, data_dir: Path, progress: OnProgress = no_progress) -> ImageSet:
    """The test set alone, for looking at: nothing is downloaded.

    Raises DataMissingError where CIFAR-10 isn't on this computer yet, DataError where a set is gone, empty or damaged.
    """
    test = _load(config, data_dir, progress, download=False)[1]
    require_usable("test", test)
    return replace(test, images=test.images.clone())  # a view would keep the training images in memory


def fetch_images(config: TrainConfig, *, data_dir: Path, progress: OnProgress = no_progress) -> None:
    """Download what load_test_images misses. Raises DataError; whatever `progress` raises leaves no partial file."""
    _load(config, data_dir, progress, download=True)


def count_images(config: TrainConfig) -> dict[str, int]:
    """How many images load_data will give, about and at once: for an estimate. Raises DataError for a bad folder."""
    train, test = {"shapes": (NUM_SHAPES_TRAIN, NUM_SHAPES_TEST), "cifar10": (50_000, 10_000)}.get(
        config.data_source, (0, 0)
    )
    if config.data_source == "folder":
        assert config.data_dir is not None  # TrainConfig refuses a folder source without it
        train, test = count_folder(config.data_dir)
    val = round(train * config.val_fraction)
    limits = {"train": config.train_limit or train, "val": config.val_limit or val}
    return {"train": min(train - val, limits["train"]), "val": min(val, limits["val"]), "test": test}


def _load(
    config: TrainConfig, data_dir: Path, progress: OnProgress, *, download: bool
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    if config.data_source == "shapes":
        return *make_shapes(NUM_SHAPES_TRAIN, NUM_SHAPES_TEST, config.seed), ()
    if config.data_source == "cifar10":
        return *load_cifar10(config.data_dir or data_dir, progress, download=download), ()
    assert config.data_dir is not None  # TrainConfig refuses a folder source without it
    return load_folder(config.data_dir, cache_dir=data_dir / "cache", seed=config.seed, progress=progress)
