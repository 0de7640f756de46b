"""Where a network places images: those of which its last hidden layer, fc7, says the same lie close together.

Krizhevsky, Sutskever and Hinton (2012) show such neighbours in their figure 4: alike in what they are, not in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.data.images import ImageSet, require_classes
from core.data.prepare import Picture, to_batch
from core.errors import InspectionError
from core.files import load_arrays, save_arrays
from core.inspection.evolution import evenly
from core.model.alexnet import INPUT_SIZE, AlexNet, normalize
from core.prediction import evaluation_view

EMBEDDING_FILE = "embedding-test.npz"  # for Checkpoint.derived: of the run's test images
MOST_IMAGES = 10_000  # of a larger set as many, evenly spread
_MOST_ON_PLANE = 2_000  # t-SNE takes 8 s for them on two cores, 49 s for 10,000
_DIMENSIONS = 32
_PERPLEXITY = 30  # about how many neighbours t-SNE keeps together
_FEWEST_FOR_TSNE = 10
_NEAREST_ON_PLANE = 5
_PIXELS_AT_ONCE = 1 << 19  # that are compared: 500 images of 32 x 32
_ALIKE = 1e-5  # of the greatest value: less is rounding
_BATCH = 25  # as the atlas: keeps maps small enough for freed memory to be used again


@dataclass(frozen=True)
class Embedding:
    """N images of a set as points; K classes.

    numbers: int32 N, their positions in the set, ascending. labels: int64 N. vectors: float32, N x D, the first
    principal components of what fc7 says after its ReLU, in units of `scale`, the greatest that it says. mean: float32
    4096, axes: float32 D x 4096, orthonormal: of another picture's fc7 they make such a vector.
    plane: float32 M x 2, places of M of the N images, every k-th, by t-SNE of the vectors (van der Maaten and Hinton
    2008): who is near is alike, how far the others are means little. on_plane: int64 M, which of the N they are.
    images: ImageSet.fingerprint() of the set.
    """

    numbers: np.ndarray
    labels: np.ndarray
    vectors: np.ndarray
    scale: float
    mean: np.ndarray
    axes: np.ndarray
    plane: np.ndarray
    on_plane: np.ndarray
    images: str
    class_names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write `path` (npz), whole or not at all, in half precision. Raises OSError."""
        arrays = {name: np.asarray(value) for name, value in vars(self).items()}
        arrays |= {name: arrays[name].astype(np.float16) for name in ("vectors", "mean", "axes")}
        save_arrays(path, arrays, compress=True)

    @classmethod
    def load(cls, path: Path) -> Embedding | None:
        """What save wrote; None where it is missing, damaged, or of another form."""
        found = load_arrays(path, cls.__dataclass_fields__.keys())
        if found is None or not _fits(**found):
            return None
        vectors, mean, axes = (found[name].astype(np.float32) for name in ("vectors", "mean", "axes"))
        scale, images, names = float(found["scale"]), str(found["images"]), tuple(found["class_names"].tolist())
        places = found["plane"], found["on_plane"]
        return cls(found["numbers"], found["labels"], vectors, scale, mean, axes, *places, images, names)

    def nearest(self, vector: np.ndarray, count: int, *, but: int | None = None) -> np.ndarray:
        """Which of the N images are the `count` closest to `vector` (D), the closest first: int64.

        but: the number, in the set, of an image that doesn't count: the one that is asked about.
        """
        distances = np.linalg.norm(self.vectors - vector, axis=1)
        order = np.argsort(distances, kind="stable")
        found: np.ndarray = order[self.numbers[order] != but][:count]
        return found

    def place(self, vector: np.ndarray, number: int | None) -> np.ndarray:
        """Where on the plane `vector` (D) belongs: float32, 2.

        Its own place where it is the vector of image `number` of the set, and that is there; else amid the nearest.
        """
        own = np.flatnonzero(self.numbers[self.on_plane] == number)
        distances = np.linalg.norm(self.vectors[self.on_plane] - vector, axis=1)
        closest = own if len(own) else np.argsort(distances, kind="stable")[:_NEAREST_ON_PLANE]
        amid: np.ndarray = self.plane[closest].mean(0)
        return amid


def embed(model: AlexNet, images: ImageSet, on_batch: Callable[[int], object] | None = None) -> Embedding:
    """Where `model` places the images of a set; on_batch hears the number done after each batch, of len(images).

    One pass, then principal components and t-SNE, some ten seconds of their own on two cores. The network runs in
    float32 and evaluation mode; `model` itself is left as it is. Raises DataError for images of other classes than the
    network knows, InspectionError for fewer than three images, and where what fc7 says is not finite or tells no image
    from another.
    """
    require_classes(images, model.class_names)
    if len(images) < 3:
        raise InspectionError(f"Neighbours need three images at least, and this set has {len(images)}.")
    numbers = np.array(evenly(range(len(images)), MOST_IMAGES))
    said = np.empty((len(numbers), model.fc7.out_features), dtype=np.float32)
    for start in range(0, len(numbers), _BATCH):
        chosen = numbers[start : start + _BATCH]
        said[start : start + len(chosen)] = _fc7(model, images.images[torch.from_numpy(chosen)])
        if on_batch is not None:
            on_batch(int(chosen[-1]) + 1)
    scale = float(said.max())
    if not np.isfinite(said).all():
        raise InspectionError("What fc7 says is not finite: the training went astray; choose another checkpoint.")
    if np.ptp(said, axis=0).max() <= _ALIKE * scale:
        raise InspectionError("fc7 says the same of all images: a layer before it is dead; choose another checkpoint.")
    vectors, mean, axes = _principal_components(said / scale)
    on_plane = np.array(evenly(range(len(numbers)), _MOST_ON_PLANE))
    return Embedding(
        numbers.astype(np.int32), images.labels.numpy()[numbers], vectors, scale, mean, axes,
        _plane(vectors[on_plane]), on_plane, images.fingerprint(), images.class_names,
    )  # fmt: skip


def vector_of(model: AlexNet, embedding: Embedding, picture: Picture) -> np.ndarray:
    """The picture as a point among those of `embedding`, which is the model's: float32, D. Raises ImageError."""
    said = _fc7(model, to_batch([picture], model.input_spec.image_size))[0]
    vector: np.ndarray = embedding.axes @ (said / embedding.scale - embedding.mean)
    return vector


def nearest_in_pixels(
    images: ImageSet, numbers: np.ndarray, picture: Picture, count: int, but: int | None
) -> np.ndarray:
    """Of the images at `numbers` the `count` whose pixels differ least from the picture's; positions among numbers.

    By the sum of squared differences. but: as for Embedding.nearest.
    """
    pixels = to_batch([picture], images.image_size)[0].float()
    chosen = torch.from_numpy(numbers.astype(np.int64))
    at_once = max(1, _PIXELS_AT_ONCE // images.image_size**2)
    parts = (images.images[part].float() for part in torch.split(chosen, at_once))
    order = torch.cat([part.sub_(pixels).square_().sum((1, 2, 3)) for part in parts]).sort(stable=True).indices.numpy()
    found: np.ndarray = order[numbers[order] != but][:count]
    return found


def _fc7(model: AlexNet, pixels: torch.Tensor) -> np.ndarray:
    """What fc7 says after its ReLU of images (uint8, N x 3 x S x S): float32, N x 4096."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        batch = normalize(pixels.to(device), model.input_spec, None)
        layers = evaluation_view(model).activations(batch, INPUT_SIZE)
        said: np.ndarray = next(output for name, output in layers if name == "relu7").float().cpu().numpy()
    return said


def _principal_components(said: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, mean and axes, float32."""
    from sklearn.decomposition import PCA  # takes a second to import

    found = PCA(min(_DIMENSIONS, len(said) - 1), svd_solver="randomized", random_state=0)
    vectors = found.fit_transform(said)
    return vectors.astype(np.float32), found.mean_.astype(np.float32), found.components_.astype(np.float32)


def _plane(vectors: np.ndarray) -> np.ndarray:
    """M points of D dimensions in two: by t-SNE, of a few, or where all are one, as their first two components."""
    from sklearn.manifold import TSNE

    if len(vectors) < _FEWEST_FOR_TSNE or np.ptp(vectors, axis=0).max() <= _ALIKE:
        return vectors[:, :2]
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    places: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors)
    return places


def _fits(
    numbers: np.ndarray, labels: np.ndarray, vectors: np.ndarray, scale: np.ndarray, mean: np.ndarray,
    axes: np.ndarray, plane: np.ndarray, on_plane: np.ndarray, images: np.ndarray, class_names: np.ndarray,
) -> bool:  # fmt: skip
    """Whether arrays of a file belong together as those of an Embedding do."""
    count, points = len(np.atleast_1d(numbers)), len(np.atleast_1d(on_plane))
    floats = vectors, scale, mean, axes, plane
    return (
        all(np.issubdtype(array.dtype, np.integer) for array in (numbers, labels, on_plane))
        and all(np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all() for array in floats)
        and (numbers.shape, labels.shape, on_plane.shape) == ((count,), (count,), (points,))
        and vectors.ndim == 2
        and (len(vectors), axes.shape) == (count, (vectors.shape[1], mean.size))
        and (mean.ndim, scale.ndim, images.ndim, class_names.ndim, plane.shape) == (1, 0, 0, 1, (points, 2))
        and points > 0
        and bool(np.isin(labels, np.arange(len(class_names))).all() and np.isin(on_plane, np.arange(count)).all())
    )
