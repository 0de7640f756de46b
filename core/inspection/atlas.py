"""The channel atlas: what every channel of every convolution layer does over a whole set of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from core.data.images import ImageSet, require_classes
from core.errors import InspectionError
from core.files import load_arrays, save_arrays
from core.model.alexnet import CONV_LAYERS, INPUT_SIZE, AlexNet, normalize
from core.prediction import evaluation_view

ATLAS_FILE = "atlas.npz"  # for Checkpoint.derived: over the run's test images
NUM_TOP = 9  # images kept of each channel
TWIN_CORRELATION = 0.95  # from here on a channel nearly duplicates another
_TWIN_IMAGES = 2_000  # at most about so many images, evenly spread over the set, decide on near-duplicates
_BATCH = 25  # keeps the largest maps below 32 MiB, up to which freed memory is used again rather than taken anew


@dataclass(frozen=True)
class LayerAtlas:
    """One convolution layer over a set of images, after its ReLU; C channels, K classes, one row a channel.

    mean: float32 C, over all images and positions. active: float32 C, the share of images on which the channel is above
    0 anywhere, 0..1. peak: float32 C, the greatest activation.
    class_means: float32 C x K, mean activation on each class; nan for a class without images.
    selectivity: float32 C, 0..1, of class means: (best - mean of the others) / (best + mean of the others), as Morcos,
    Barrett, Rabinowitz and Botvinick, "On the importance of single directions for generalization" (2018).
    best_class: int64 C, the class of that best mean, an index into class_names. Both are 0 for a dead channel.
    twin: int64 C, the channel of a lower number that this one nearly duplicates, -1 for none: the most alike of those
    whose activations correlate with this one's by TWIN_CORRELATION or more, over all units of every k-th image, k so
    that about 2,000 images count.
    top_images: int32 C x 9, positions of the images with the greatest activations, strongest first, the earlier image
    first where two are equal; -1 where fewer images are active. top_rows, top_columns: int16 C x 9, the unit of the map
    with that activation, the first in reading order. top_values: float32 C x 9, the activation.
    """

    mean: np.ndarray
    active: np.ndarray
    peak: np.ndarray
    class_means: np.ndarray
    selectivity: np.ndarray
    best_class: np.ndarray
    twin: np.ndarray
    top_images: np.ndarray
    top_rows: np.ndarray
    top_columns: np.ndarray
    top_values: np.ndarray

    @property
    def dead(self) -> np.ndarray:
        """bool C: the channels that are 0 everywhere on every image."""
        dead: np.ndarray = self.active == 0
        return dead


@dataclass(frozen=True)
class Atlas:
    """The convolution layers, conv1 to conv5, over `num_images` images. images: fingerprint of the ImageSet."""

    layers: dict[str, LayerAtlas]
    num_images: int
    images: str
    class_names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write `path` (npz), whole or not at all, and the folders it needs. Raises OSError."""
        arrays = {f"{name}.{key}": value for name, layer in self.layers.items() for key, value in vars(layer).items()}
        about = {"num_images": self.num_images, "images": self.images, "class_names": self.class_names}
        save_arrays(path, arrays | {name: np.array(value) for name, value in about.items()})

    @staticmethod
    def load(path: Path) -> Atlas | None:
        """What save wrote to `path`; None where it is missing, damaged, or of another form."""
        names = [field.name for field in fields(LayerAtlas)]
        about = ("num_images", "images", "class_names")
        found = load_arrays(path, [*(f"{layer}.{name}" for layer in CONV_LAYERS for name in names), *about])
        if found is None:
            return None
        layers = {layer: LayerAtlas(**{name: found[f"{layer}.{name}"] for name in names}) for layer in CONV_LAYERS}
        return Atlas(layers, int(found["num_images"]), str(found["images"]), tuple(found["class_names"].tolist()))


def compute_atlas(model: AlexNet, images: ImageSet, on_batch: Callable[[int], object] | None = None) -> Atlas:
    """The atlas of `model` over `images`, in one pass; on_batch hears the number of images done after each batch.

    The memory it takes is flat, whatever the number of images. The network runs in float32 and evaluation mode, up to
    relu5; `model` itself is left as it is.
    Raises DataError for images of other classes than the network knows, InspectionError where there is no image, or an
    activation is not finite.
    """
    require_classes(images, model.class_names)
    if len(images) == 0:
        raise InspectionError("The channel atlas needs at least one image, and this set has none.")
    device = next(model.parameters()).device
    network = evaluation_view(model)
    every = math.ceil(len(images) / _TWIN_IMAGES)
    sums = {f"relu{name[-1]}": _Sums(images.num_classes, every) for name in CONV_LAYERS}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            labels = images.labels[start : start + _BATCH].to(device)
            pixels = normalize(images.images[start : start + _BATCH].to(device), model.input_spec, None)
            for name, maps in network.activations(pixels, INPUT_SIZE):
                if name in sums and not sums[name].add(maps, labels, start):
                    raise InspectionError(
                        f"The activations of {name} are not finite numbers: the training went astray; choose another "
                        "checkpoint."
                    )
                if name == "relu5":
                    break
            if on_batch is not None:
                on_batch(start + len(labels))
        counts = torch.bincount(images.labels, minlength=images.num_classes).numpy()
        layers = {layer: found.atlas(counts) for layer, found in zip(CONV_LAYERS, sums.values(), strict=True)}
    return Atlas(layers, len(images), images.fingerprint(), images.class_names)


class _Sums:
    """What one layer has shown so far: sums over images, and the strongest ones."""

    def __init__(self, num_classes: int, every: int) -> None:
        self.num_classes = num_classes
        self.every = every

    def _start(self, maps: torch.Tensor) -> None:
        channels = maps.shape[1]
        self.width = maps.shape[3]
        self.active = maps.new_zeros(channels, dtype=torch.int64)
        self.class_sums = maps.new_zeros(self.num_classes, channels, dtype=torch.float64)
        self.samples = 0
        self.sample_sum = maps.new_zeros(channels, dtype=torch.float64)
        self.gram = maps.new_zeros(channels, channels, dtype=torch.float64)
        self.values = maps.new_zeros(channels, NUM_TOP)
        self.images = maps.new_full((channels, NUM_TOP), -1, dtype=torch.int64)
        self.units = torch.zeros_like(self.images)

    def add(self, maps: torch.Tensor, labels: torch.Tensor, first: int) -> bool:
        """Count the maps (N x C x H x W) of the images from number `first` on; whether all is finite so far."""
        if first == 0:
            self._start(maps)
        peaks = maps.amax((2, 3))
        self.active += (peaks > 0).sum(0)
        self.class_sums.index_add_(0, labels, maps.mean((2, 3)).double())
        # The images whose number in the whole set is a multiple of `every`.
        sample = maps[-first % self.every :: self.every].permute(0, 2, 3, 1).flatten(0, 2)
        self.samples += len(sample)
        self.sample_sum += sample.sum(0, dtype=torch.float64)
        self.gram += sample.T @ sample
        self._rank(maps, peaks.T, first)
        return bool(self.class_sums.isfinite().all())

    def _rank(self, maps: torch.Tensor, peaks: torch.Tensor, first: int) -> None:
        """Let the images of this batch (peaks: C x N) into the strongest; equal ones stay behind earlier ones."""
        channels, count = peaks.shape
        numbers = torch.arange(first, first + count, device=peaks.device).expand(channels, count)
        self.values, order = torch.cat([self.values, peaks], 1).sort(dim=1, descending=True, stable=True)
        self.values, order = self.values[:, :NUM_TOP], order[:, :NUM_TOP]
        self.images = torch.cat([self.images, numbers], 1).gather(1, order)
        self.units = torch.cat([self.units, torch.zeros_like(numbers)], 1).gather(1, order)
        channel, place = torch.nonzero(order >= NUM_TOP, as_tuple=True)
        strongest = maps[self.images[channel, place] - first, channel].flatten(1).argmax(1)
        self.units[channel, place] = strongest

    def atlas(self, counts: np.ndarray) -> LayerAtlas:
        """counts: the number of images of each class."""
        sums = self.class_sums.cpu().numpy().T
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        selectivity, best_class = _selectivity(means)
        values, images, units = (top.cpu().numpy() for top in (self.values, self.images, self.units))
        return LayerAtlas(
            mean=(sums.sum(1) / counts.sum()).astype(np.float32),
            active=(self.active.cpu().numpy() / counts.sum()).astype(np.float32),
            peak=values[:, 0].copy(),
            class_means=means.astype(np.float32),
            selectivity=selectivity.astype(np.float32),
            best_class=best_class,
            twin=_twins((self.gram / self.samples).cpu().numpy(), (self.sample_sum / self.samples).cpu().numpy()),
            top_images=images.astype(np.int32),
            top_rows=(units // self.width).astype(np.int16),
            top_columns=(units % self.width).astype(np.int16),
            top_values=values,
        )


def _selectivity(class_means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class selectivity and best class of each channel; classes whose mean is nan have no images and no say."""
    present = np.flatnonzero(~np.isnan(class_means[0]))
    means = class_means[:, present]
    best = means.max(1)
    others = (means.sum(1) - best) / (len(present) - 1) if len(present) > 1 else best
    selectivity = np.divide(best - others, best + others, out=np.zeros_like(best), where=best > 0)
    return np.clip(selectivity, 0, 1), present[means.argmax(1)]


def _twins(products: np.ndarray, means: np.ndarray) -> np.ndarray:
    """For each channel the most correlated one before it, -1 below TWIN_CORRELATION.

    products: mean of x_i * x_j over the sampled units, C x C. means: mean of x_i.
    """
    covariance = products - np.outer(means, means)
    # Of a nearly constant channel the variance is a small difference of large numbers: rounding, not signal.
    varies = covariance.diagonal() > 1e-6 * products.diagonal()
    deviation = np.sqrt(np.where(varies, covariance.diagonal(), np.inf))
    correlation = np.tril(covariance / np.outer(deviation, deviation), -1)
    twin: np.ndarray = np.where(correlation.max(1) >= TWIN_CORRELATION, correlation.argmax(1), -1)
    return twin
