"""ImageSet: labelled images as one uint8 tensor, and its split into train, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.errors import DataError

_CHUNK = 256  # images whose pixels are counted at once: of the largest 13 MB a channel
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class ImageSet:
    """Labelled square images of one size.

    images: uint8, N x 3 x S x S, RGB, 0..255. labels: int64, N, an index into class_names.
    synthetic: True where the images were drawn by a program; shown wherever the set is shown.
    """

    images: torch.Tensor
    labels: torch.Tensor
    class_names: tuple[str, ...]
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_size(self) -> int:
        """Side of the stored images, in pixels."""
        return int(self.images.shape[-1])

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def image(self, index: int) -> np.ndarray:
        """Image `index` as uint8, S x S x 3."""
        return self.images[index].permute(1, 2, 0).numpy()

    def label(self, index: int) -> str:
        """The true class of image `index`, by name."""
        return self.class_names[int(self.labels[index])]

    def select(self, indices: torch.Tensor) -> ImageSet:
        """The images at `indices` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def spread(self, count: int) -> ImageSet:
        """At most `count` images, evenly from the first to the last: a folder's come class by class."""
        return self.select(torch.linspace(0, len(self) - 1, min(count, len(self))).long())

    def indices_of(self, class_name: str) -> np.ndarray:
        """Positions of the images of one class, ascending, int64."""
        label = self.class_names.index(class_name)
        return torch.nonzero(self.labels == label).flatten().numpy()

    def fingerprint(self) -> str:
        """16 hex digits that name exactly these images, labels and classes."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        digest.update(str(tuple(self.images.shape)).encode())
        for tensor in (self.labels, self.images):
            digest.update(tensor.reshape(-1).numpy().data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class DataSplits:
    """Three disjoint sets, and what had to be left out (one sentence each) while loading."""

    train: ImageSet
    val: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}


def _by_class(labels: torch.Tensor, num_classes: int, generator: torch.Generator) -> list[torch.Tensor]:
    """For each class its positions in `labels`, shuffled."""
    positions = [torch.nonzero(labels == label).flatten() for label in range(num_classes)]
    return [p[torch.randperm(len(p), generator=generator)] for p in positions]


def part_size(count: int, fraction: float) -> int:
    """How many of the `count` images of a class split_off takes."""
    return min(max(round(count * fraction), 1), count - 1) if count >= 2 else 0


def split_off(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """(rest, part): `part` takes `fraction` of every class, at least one image of each that has two, and never all.

    The same images, fraction and seed give the same split on every machine.
    """
    generator = torch.Generator().manual_seed(seed)
    rest, part = [], []
    for positions in _by_class(images.labels, images.num_classes, generator):
        count = part_size(len(positions), fraction)
        part.append(positions[:count])
        rest.append(positions[count:])
    return images.select(torch.cat(rest).sort().values), images.select(torch.cat(part).sort().values)


def balanced_limit(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """At most `limit` images, as evenly over the classes as their sizes allow; all of them where None."""
    if limit is None or limit >= len(images):
        return images
    generator = torch.Generator().manual_seed(seed)
    classes = _by_class(images.labels, images.num_classes, generator)
    # One image of each class in turn, until the limit is reached: balanced also where classes run out.
    ranks = torch.cat([torch.arange(len(p)) for p in classes])
    order = torch.argsort(ranks, stable=True)[:limit]
    return images.select(torch.cat(classes)[order].sort().values)


def channel_statistics(images: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (of a sample) of each channel, in units of 0..255, over all `images`.

    images: uint8, N x 3 x S x S. Counted by value: exact, and no image becomes a float, which takes 8 bytes a pixel.
    """
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64, device=images.device)
    for chunk in torch.split(images, _CHUNK):
        counts += torch.stack([channel.flatten().bincount(minlength=256) for channel in chunk.unbind(1)])
    values, total = torch.arange(256, dtype=torch.float64), counts.sum(1).cpu()
    weights = counts.cpu().double()
    mean = weights @ values / total
    squares = (weights * (values - mean[:, None]) ** 2).sum(1)
    return mean.tolist(), (squares / (total - 1)).sqrt().tolist()


def require_usable(name: str, images: ImageSet) -> None:
    """Raises DataError where `images` is empty: there is nothing to train or to judge on."""
    if len(images) == 0:
        raise DataError(f"The {name} set holds no image. Add images, or use another data source.")


def require_classes(images: ImageSet, known: tuple[str, ...]) -> None:
    """Raises DataError where `images` have other classes than the network, which knows `known`."""
    if images.class_names != known:
        raise DataError(
            f"The images have the classes {', '.join(images.class_names)}, the network knows {', '.join(known)}: "
            "choose images of the data that it was trained on."
        )


def doubt_about(test_fingerprint: str, data: Mapping[str, object]) -> str:
    """Why test images of that fingerprint may not be new to a network, a sentence; "" where nothing is against it.

    data: what its run recorded of the images that it was trained and tested on (data.json).
    """
    if data.get("test_fingerprint", test_fingerprint) == test_fingerprint:
        return ""
    return "The test images have changed since the run began: the network may have been trained on some of them."
