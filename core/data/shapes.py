"""Synthetic images of ten shapes and patterns: drawn in a second, without network, for first steps and tests.

Every pixel comes from additions, products, quotients, square roots and comparisons alone, which IEEE 754 rounds the
same way everywhere; no sin, exp or matrix product. So a seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.images import ImageSet

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

# The same ufuncs, typed: numpy's own stubs call their results Any.
_sqrt: Callable[[Array], Array] = np.sqrt
_floor: Callable[[Array], Array] = np.floor
_min: Callable[[Array, Array], Array] = np.minimum
_max: Callable[[Array, Array], Array] = np.maximum

_CHUNK = 1000  # images drawn at once: bounds the scratch memory to some 40 MB at 32 x 32 pixels


def _disc(x: Array, y: Array) -> Array:
    return _sqrt(x * x + y * y) - 1


def _ring(x: Array, y: Array) -> Array:
    return abs(_disc(x, y) + 0.25) - 0.22


def _box(x: Array, y: Array, width: float = 0.85, height: float = 0.85) -> Array:
    return _max(abs(x) - width, abs(y) - height)


def _cross(x: Array, y: Array) -> Array:
    return _min(_box(x, y, 1.0, 0.3), _box(x, y, 0.3, 1.0))


def _triangle(x: Array, y: Array) -> Array:
    slope = 0.8660254 * abs(x)
    return _max(slope + 0.5 * y, -y) - 0.55


def _star(x: Array, y: Array) -> Array:
    """A pentagram: the points on the inner side of at least four of its five lines."""
    sides = ((0.9510565, 0.309017), (0.5877853, -0.809017), (-0.5877853, -0.809017), (-0.9510565, 0.309017))
    ordered: Array = np.sort(np.stack([y, *(a * x + b * y for a, b in sides)]), axis=0)
    fourth: Array = ordered[3]
    return fourth - 0.4


def _wave(x: Array) -> Array:
    """Distance to bars of width 0.5 and period 1; negative inside a bar."""
    return abs(x - _floor(x) - 0.5) - 0.25


def _checkerboard(x: Array, y: Array) -> Array:
    first, second = _wave(x * 0.8), _wave(y * 0.8)
    return _max(_min(first, second), -_max(first, second))


def _dots(x: Array, y: Array) -> Array:
    first, second = x - _floor(x) - 0.5, y - _floor(y) - 0.5
    return _sqrt(first * first + second * second) - 0.28


#: Each class's signed distance, negative inside, in coordinates where the shape's radius or the pattern's period is 1.
_SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "checkerboard": _checkerboard,
    "circle": _disc,
    "cross": _cross,
    "dots": _dots,
    "horizontal stripes": lambda _x, y: _wave(y),
    "ring": _ring,
    "square": _box,
    "star": _star,
    "triangle": _triangle,
    "vertical stripes": lambda x, _y: _wave(x),
}
SHAPE_CLASSES = tuple(_SHAPES)


def make_shapes(num_train: int, num_test: int, seed: int, image_size: int = 32) -> tuple[ImageSet, ImageSet]:
    """(train, test): ten balanced classes of image_size x image_size pixels, `synthetic=True`.

    Place, size, rotation, both colours, light and noise are random and independent of the class, so colour tells
    nothing. The two sets come from separate random streams; a seed gives the same images on every machine.
    """
    return _draw_set(num_train, image_size, [seed, 0]), _draw_set(num_test, image_size, [seed, 1])


def _draw_set(count: int, size: int, seed: list[int]) -> ImageSet:
    rng = np.random.Generator(np.random.PCG64(seed))
    labels = rng.permutation(np.arange(count, dtype=np.int64) % len(SHAPE_CLASSES))
    images = np.empty((count, 3, size, size), np.uint8)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        images[part] = _draw(labels[part], size, rng)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels), SHAPE_CLASSES, synthetic=True)


def _draw(labels: Labels, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8, N x 3 x size x size: each label's shape over its background, lit from one side, with noise."""
    count = len(labels)
    coverage = _coverage(labels, size, rng)[:, None]
    inside, outside = _colours(count, rng)
    pixels = outside + (inside - outside) * coverage
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    light = _uniform(rng, -0.2, 0.2, (count, 2, 1, 1))
    pixels += (light[:, 0] * ramp[None, None, :] + light[:, 1] * ramp[None, :, None])[:, None]
    noise = rng.random(pixels.shape, dtype=np.float32) + rng.random(pixels.shape, dtype=np.float32) - 1
    pixels += noise * _uniform(rng, 0.02, 0.15, (count, 1, 1, 1))
    return (pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _coverage(labels: Labels, size: int, rng: np.random.Generator) -> Array:
    """float32, N x size x size: the share of each pixel inside the shape, 0..1."""
    count = len(labels)
    radius = _uniform(rng, 0.22, 0.4, (count, 1, 1)) * size
    middle = _uniform(rng, 0.36, 0.64, (2, count, 1, 1)) * size
    # Half-angle form of a rotation by up to a quarter turn either way: no sine needed.
    half = _uniform(rng, -1, 1, (count, 1, 1))
    upright = np.isin(labels, [SHAPE_CLASSES.index(name) for name in SHAPE_CLASSES if "stripes" in name])
    half[upright] *= np.float32(0.07)  # 8 degrees: a horizontal stripe stays one
    scale = 1 / (1 + half * half)
    cos, sin = (1 - half * half) * scale, 2 * half * scale
    centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
    dx, dy = centres[None, None, :] - middle[0], centres[None, :, None] - middle[1]
    x, y = (dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius
    distance = np.empty_like(x)
    for label, shape in enumerate(_SHAPES.values()):
        chosen = labels == label
        distance[chosen] = shape(x[chosen], y[chosen])
    covered: Array = np.float32(0.5) - distance * radius
    return covered.clip(0, 1)


def _colours(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Two colours per image, N x 3 x 1 x 1 in 0..1, whose lightness differs by at least 0.35; either is the lighter."""
    dark = _uniform(rng, 0.05, 0.55, (count, 1, 1, 1))
    bright = dark + np.float32(0.35) + _uniform(rng, 0, 1, (count, 1, 1, 1)) * (np.float32(0.6) - dark)
    tints = _uniform(rng, -0.35, 0.35, (2, count, 3, 1, 1))
    tints -= (tints[:, :, 0:1] + tints[:, :, 1:2] + tints[:, :, 2:3]) / 3
    swap = rng.random((count, 1, 1, 1)) < 0.5
    return np.where(swap, bright, dark) + tints[0], np.where(swap, dark, bright) + tints[1]


def _uniform(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Array:
    share: Array = rng.random(shape, dtype=np.float32)
    return share * np.float32(high - low) + np.float32(low)
