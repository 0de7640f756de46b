"""core.data.shapes: repeatable, balanced, not told apart by colour. Run: pytest tests/unit/data/test_shapes.py"""

from __future__ import annotations

import time

import torch

from core.data.images import ImageSet
from core.data.shapes import SHAPE_CLASSES, make_shapes
from tests.conftest import class_counts


def test_both_sets_are_balanced_and_marked_synthetic() -> None:
    train, test = make_shapes(105, 20, seed=0, image_size=24)
    assert train.images.shape == (105, 3, 24, 24)
    assert train.images.dtype == torch.uint8
    assert train.class_names == test.class_names == SHAPE_CLASSES
    assert set(class_counts(train)) == {10, 11}
    assert set(class_counts(test)) == {2}
    assert train.synthetic
    assert test.synthetic


def test_a_seed_gives_the_same_bytes_on_every_machine() -> None:
    train, test = make_shapes(1200, 50, seed=7)
    assert (train.fingerprint(), test.fingerprint()) == ("bfeb8af715a19504", "ce8dab72aef2407d")


def test_seeds_and_parts_differ() -> None:
    sets = [images for seed in (0, 1) for images in make_shapes(40, 40, seed)]
    assert len({images.fingerprint() for images in sets}) == 4
    assert len(torch.unique(torch.cat([images.images for images in sets]), dim=0)) == 160


def test_shape_is_visible_in_every_image() -> None:
    train, _ = make_shapes(500, 10, seed=3)
    spread = train.images.float().mean(dim=1).flatten(1).std(dim=1)
    assert spread.min() > 255 * 0.04


def nearest_mean_accuracy(train: ImageSet, test: ImageSet) -> float:
    """Accuracy of judging by mean colour and its spread: what a network without eyes for shape could learn."""

    def features(images: ImageSet) -> torch.Tensor:
        pixels = images.images.float().flatten(2)
        return torch.cat([pixels.mean(2), pixels.std(2)], dim=1)

    x, y = features(train), features(test)
    means = torch.stack([x[train.labels == label].mean(0) for label in range(train.num_classes)])
    return float((torch.cdist(y, means).argmin(1) == test.labels).float().mean())


def test_colour_alone_tells_little() -> None:
    assert nearest_mean_accuracy(*make_shapes(3000, 1000, seed=0)) < 0.25


def test_thousands_are_drawn_in_a_second() -> None:
    start = time.perf_counter()
    make_shapes(1000, 10, seed=0)
    assert time.perf_counter() - start < 1
