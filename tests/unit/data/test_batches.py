"""core.data.batches: what can be shown of a batch is what a training was given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.data.batches import batch_at, epoch_order
from core.data.images import ImageSet
from core.data.sources import load_data
from core.model.alexnet import normalize
from core.training import jobs, step


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
    for number, batch in enumerate(given):
        torch.testing.assert_close(batch_at(config, images, number).changed, batch, rtol=0, atol=0)


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
    first, last = (batch_at(config, images, number) for number in (0, 19))
    torch.testing.assert_close(first.targets.sum(1), torch.ones(20))
    assert (first.targets.max(1).values < 1).any()
    own = first.targets[torch.arange(20), first.stored.labels]
    kept = (first.changed == first.stored.images).all(1).float().mean((1, 2))
    torch.testing.assert_close(own.maximum(kept), own)
    assert set(last.targets.unique().tolist()) == {0.0, 1.0}, "the last steps see whole images"
    assert torch.equal(last.targets.argmax(1), last.stored.labels)
    assert torch.equal(last.changed, last.stored.images)
