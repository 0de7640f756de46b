"""What the tests share: a tree of drawn images, settings small enough for a CPU, and one run trained for real."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config import TrainConfig, make_config
from core.data.images import ImageSet
from core.data.shapes import make_shapes
from core.model import alexnet
from core.runs.pack import pack
from core.runs.run import Run
from core.runs.snapshots import PHOTO, read_pinned, write_pinned
from core.training import jobs
from tests.narrow import FC_UNITS

CLASSES = ("circle", "cross", "star")
_LONGEST_WAIT_SECONDS = 120.0

ConfigFactory = Callable[..., TrainConfig]
Wait = Callable[..., None]


def class_counts(images: ImageSet) -> list[int]:
    """How many images each class has, in the order of the class names."""
    return [len(images.indices_of(name)) for name in images.class_names]


def stop_training() -> None:
    """A test that fails while it trains must not spoil the next one."""
    for run in (*jobs.waiting(), *filter(None, [jobs.active()])):
        jobs.stop(run)
    assert jobs.wait(_LONGEST_WAIT_SECONDS), "the thread that trains does not stop"


@pytest.fixture(autouse=True)
def _no_training_is_left() -> Iterator[None]:
    yield
    stop_training()


@pytest.fixture
def runs_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder for runs; emptied afterwards, for a checkpoint takes 700 MB."""
    folder = tmp_path / "runs"
    folder.mkdir()
    yield folder
    stop_training()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def wait_until() -> Wait:
    """wait_until(predicate, timeout=120): returns as soon as the predicate holds, fails after `timeout` seconds."""

    def wait(predicate: Callable[[], Any], timeout: float = _LONGEST_WAIT_SECONDS) -> None:
        deadline = time.monotonic() + timeout
        while not predicate():
            assert time.monotonic() < deadline, f"not within {timeout:g} s"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def image_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder as a user has it: train/ and test/, three classes of drawn shapes, 18 and 6 images."""
    root = tmp_path_factory.mktemp("images")
    drawn = dict(zip(("train", "test"), make_shapes(200, 60, seed=0), strict=True))
    for (part, images), count in zip(drawn.items(), (6, 2), strict=True):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for index in images.indices_of(name)[:count]:
                Image.fromarray(images.image(int(index))).save(root / part / name / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def real_tree(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Some CIFAR-10 images as a user's folder, 600 to train and 100 to test; None where CIFAR10_FOLDER names none."""
    source = os.environ.get("CIFAR10_FOLDER")
    if not source:
        return None
    root = tmp_path_factory.mktemp("real")
    for part, count in (("train", 60), ("test", 10)):
        for folder in (path for path in (Path(source) / part).iterdir() if path.is_dir()):
            (root / part / folder.name).mkdir(parents=True)
            for image in sorted(folder.iterdir())[:count]:
                shutil.copy(image, root / part / folder.name)
    return root


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where caches of data sets go."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def tiny_config(image_tree: Path) -> ConfigFactory:
    """tiny_config(**changes): two epochs of three steps on 12 images, 6 to validate and 6 to test; no snapshots."""

    def config(**changes: Any) -> TrainConfig:
        settings: dict[str, Any] = {
            "data_source": "folder", "data_dir": image_tree, "val_fraction": 0.34, "train_limit": None,
            "val_limit": None, "batch_size": 4, "num_epochs": 2, "device": "cpu", "precision": "float32",
            "snapshots": False,
        }  # fmt: skip
        return make_config(**settings | changes)

    return config


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: ConfigFactory, data_dir: Path) -> Iterator[Run]:
    """`tiny_config()` with snapshots trained to its end, once for all tests; they only read it."""
    run = _train(tmp_path_factory.mktemp("trained"), tiny_config, data_dir)
    yield run
    shutil.rmtree(run.path.parent)


def _train(runs_dir: Path, tiny_config: ConfigFactory, data_dir: Path) -> Run:
    run = jobs.start(tiny_config(snapshots=True), runs_dir=runs_dir, data_dir=data_dir, run_id="trained")
    assert jobs.wait(_LONGEST_WAIT_SECONDS)
    assert run.state == "finished", run.end
    return run


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with small fully connected layers, also to read its runs: training and saving take a tenth."""
    monkeypatch.setattr(alexnet, "FC_UNITS", FC_UNITS)


@pytest.fixture(scope="session")
def narrow_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: ConfigFactory, data_dir: Path) -> Iterator[Run]:
    """`trained_run` as a narrow network trains it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alexnet, "FC_UNITS", FC_UNITS)
        run = _train(tmp_path_factory.mktemp("narrow"), tiny_config, data_dir)
    yield run
    shutil.rmtree(run.path.parent)


@pytest.fixture(scope="session")
def packed_run(tmp_path_factory: pytest.TempPathFactory, trained_run: Run) -> Run:
    """`trained_run` packed as if it had been trained on CIFAR-10, alone in its folder; tests only read it.

    Its first pinned image counts as the photograph that comes with the project: no other may travel.
    """
    folder = tmp_path_factory.mktemp("pinned") / trained_run.id
    run = Run(shutil.copytree(trained_run.path, folder, ignore=shutil.ignore_patterns("derived", "checkpoints")))
    (folder / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    pinned = read_pinned(run)
    write_pinned(run, replace(pinned, numbers=np.array([PHOTO, *pinned.numbers[1:]])))
    return pack(run, tmp_path_factory.mktemp("packed") / "shipped", rank=8, data_source="cifar10")
