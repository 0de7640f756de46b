"""core.data.prepare: from any picture to the square that the network was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.prepare import to_batch, to_square
from core.errors import ImageError


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_is_kept_pixel_for_pixel() -> None:
    pixels = noise(32, 32)
    np.testing.assert_array_equal(to_square(pixels, 32), pixels)
    np.testing.assert_array_equal(to_square(Image.fromarray(pixels), 32), pixels)


@pytest.mark.parametrize(("height", "width"), [(20, 60), (60, 20), (24, 60)])
def test_the_centre_square_counts(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = 255
    assert to_square(pixels, 8).min() > 200


@pytest.mark.parametrize("shape", [(8, 8), (200, 300), (227, 1), (1, 1)])
def test_any_size_becomes_the_square(shape: tuple[int, int]) -> None:
    square = to_square(noise(*shape), 32)
    assert (square.shape, square.dtype) == ((32, 32, 3), np.uint8)


def test_scaling_is_even() -> None:
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    square = to_square(ramp, 16).astype(int)
    assert (np.diff(square[8, :, 0]) > 0).all()
    assert np.abs(square.mean() - ramp.mean()) < 1


def test_grey_becomes_three_equal_channels() -> None:
    grey = noise(16, 16)[:, :, 0]
    for picture in (grey, Image.fromarray(grey)):
        np.testing.assert_array_equal(to_square(picture, 16), np.repeat(grey[:, :, None], 3, 2))


def test_a_view_with_strides_is_read_right() -> None:
    pixels = noise(40, 40)
    view = pixels[::-1, ::2][4:36, :]
    np.testing.assert_array_equal(to_square(view[:20, :20], 20), np.ascontiguousarray(view[:20, :20]))


@pytest.mark.parametrize(
    "array",
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8), np.zeros((3, 8, 8), np.uint8),
     np.zeros((2, 8, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint8), np.zeros(8, np.uint8)],
    ids=["float", "four channels", "channels first", "batch", "empty", "line"],
)  # fmt: skip
def test_an_array_that_is_no_image_is_refused_with_what_it_is(array: np.ndarray) -> None:
    with pytest.raises(ImageError) as refusal:
        to_square(array, 32)
    assert str(array.dtype) in str(refusal.value)
    assert str(array.shape) in str(refusal.value)


def test_a_batch_holds_the_pictures_in_order_channels_first() -> None:
    pictures = [noise(32, 32), Image.fromarray(noise(50, 40)), noise(9, 9)[:, :, 0]]
    batch = to_batch(pictures, 32)
    assert (batch.shape, batch.dtype) == ((3, 3, 32, 32), torch.uint8)
    for picture, row in zip(pictures, batch, strict=True):
        np.testing.assert_array_equal(row.permute(1, 2, 0).numpy(), to_square(picture, 32))
