"""core.data.batches: what can be shown of a batch is what a training was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.batches import batch_at, epoch_order
from core.data.images import ImageSet
from core.data.sources import load_data
from core.model.alexnet import normalize
from core.training import jobs, step


@pytest.mark.usefixtures("narrow")
def test_a_training_gets_the_batches_that_are_shown(
    runs_dir: Path, data_dir: Path, tiny_config, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.Tensor] = []

    def remember(images: torch.Tensor, *arguments: object) -> torch.Tensor:
        given.append(images.clone())
        return normalize(images, *arguments)

    monkeypatch.setattr(step, "normalize", remember)
    config = tiny_config(batch_size=5, cutmix=0.5, cutout=8, checkpoint_epochs=2)
    jobs.start(config, runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(120)
    images = load_data(config, data_dir=data_dir).train
    assert [len(batch) for batch in given] == [5, 5, 2] * 2
    for number, expected in enumerate(given):
        batch = batch_at(config, images, number, 4)
        assert batch.size == len(expected)
        np.testing.assert_array_equal(batch.given, expected[:4].permute(0, 2, 3, 1))


def test_every_epoch_has_all_images_once_in_another_order() -> None:
    orders = [epoch_order(3, epoch, 50).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert epoch_order(3, 1, 50).tolist() == orders[1]
    assert epoch_order(4, 1, 50).tolist() != orders[1]


def test_targets_are_the_classes_or_the_shares_of_a_mixture(tiny_config) -> None:
    generator = torch.Generator().manual_seed(0)
    images = ImageSet(
        torch.randint(0, 256, (40, 3, 8, 8), generator=generator, dtype=torch.uint8),
        torch.arange(40) % 4,
        tuple("abcd"),
    )
    config = tiny_config(batch_size=20, num_epochs=10, cutmix=1.0, flip=False, crop_padding=0)
    first, last = (batch_at(config, images, number, 20) for number in (0, 19))
    assert any(len(shares) == 2 for shares in first.shares)
    for shares, label, stored, got in zip(first.shares, first.labels, first.stored, first.given, strict=True):
        assert sum(shares.values()) == pytest.approx(1)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert shares.get(label, 0) >= (stored == got).all(-1).mean() - 1e-6, "what is left of it counts for its class"
    assert [list(shares) for shares in last.shares] == [[label] for label in last.labels], "whole images at the end"
    np.testing.assert_array_equal(last.given, last.stored)
