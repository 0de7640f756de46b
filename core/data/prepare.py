"""From any picture to the square of pixels that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps

from core.data.uploads import to_rgb
from core.errors import ImageError

#: A picture as callers have it: PIL, or uint8 H x W x 3 (RGB) or H x W (grey).
Picture = Image.Image | np.ndarray


def to_square(picture: Picture, size: int) -> np.ndarray:
    """The centre square of `picture`, scaled to `size` pixels: uint8, size x size x 3.

    A picture of just that size comes back pixel for pixel. Raises ImageError for an array that isn't an image.
    """
    image = to_rgb(Image.fromarray(_checked(picture)) if isinstance(picture, np.ndarray) else picture)
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def to_batch(pictures: Sequence[Picture], size: int) -> torch.Tensor:
    """All pictures as the network's pixels: uint8, N x 3 x size x size."""
    squares = np.stack([to_square(picture, size) for picture in pictures])
    return torch.from_numpy(squares).permute(0, 3, 1, 2)


def _checked(array: np.ndarray) -> np.ndarray:
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not is_image or 0 in array.shape:
        raise ImageError(
            f"An image array is uint8 of shape (H, W, 3) or (H, W), got {array.dtype} of shape {array.shape}."
        )
    return array
