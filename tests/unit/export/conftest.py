"""The trained run's best checkpoint, its network and its test images, for what is taken away of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.data.example import example_image
from core.data.images import ImageSet
from core.data.sources import load_test_images
from core.export.report import Subject
from core.model.alexnet import AlexNet
from core.runs.checkpoints import Checkpoint, find_checkpoint, open_model
from core.runs.run import Run

HOSTILE = ("<script>alert(1)</script>", "\"><img src=x onerror='alert(2)'>", "cats & <b>dogs</b>")


@pytest.fixture(scope="session")
def checkpoint(trained_run: Run) -> Checkpoint:
    return find_checkpoint(trained_run)


@pytest.fixture(scope="session")
def model(checkpoint: Checkpoint) -> AlexNet:
    return open_model(checkpoint)


@pytest.fixture(scope="session")
def test_images(trained_run: Run, data_dir: Path) -> ImageSet:
    return load_test_images(trained_run.config, data_dir=data_dir)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    return example_image()


@pytest.fixture(scope="session")
def hostile(checkpoint: Checkpoint, test_images: ImageSet, picture: Image.Image) -> Subject:
    """A report's subject whose classes are named after attacks."""
    named = replace(checkpoint, class_names=HOSTILE)
    images = replace(test_images, class_names=HOSTILE)
    return Subject(named, open_model(named), lambda: images, picture, HOSTILE[0], HOSTILE[1])
