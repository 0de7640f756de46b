"""core.data.edits: each change does what it says, to the pixel, and none changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.data.edits import LIMITS, Edits, edit
from core.data.example import example_image
from core.data.prepare import to_square
from core.errors import ImageError

GREY = 128
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def edited(picture: Image.Image = PICTURE, **changes: int) -> np.ndarray:
    return np.asarray(edit(picture, Edits(**changes)))


def test_no_edits_change_no_pixel() -> None:
    assert np.array_equal(edited(), PIXELS)


@pytest.mark.parametrize("size", [(300, 200), (91, 332), (1024, 1024)])
def test_a_photograph_without_edits_reaches_the_network_as_it_would_by_itself(size: tuple[int, int]) -> None:
    photo = example_image().resize(size)
    assert edited(photo).shape == (min(size), min(size), 3)
    difference = to_square(edit(photo, Edits()), 32).astype(int) - to_square(photo, 32)
    assert abs(difference).mean() < 0.5
    assert abs(difference).max() <= 8, "only at the edges, which have no neighbours any more"


def test_a_huge_picture_is_worked_on_at_1024_pixels() -> None:
    assert edited(Image.new("RGB", (3000, 2000)), hue=30).shape == (1024, 1024, 3)


@pytest.mark.parametrize(("x", "y"), [(25, 0), (-25, 0), (0, 50), (0, -50), (25, -50)])
def test_a_shift_moves_pixels_and_leaves_grey_behind(x: int, y: int) -> None:
    columns, rows = (round(share * 32 / 100) for share in (x, y))
    expected = np.full_like(PIXELS, GREY)
    for row in range(32):
        for column in range(32):
            if 0 <= row - rows < 32 and 0 <= column - columns < 32:
                expected[row, column] = PIXELS[row - rows, column - columns]
    assert np.array_equal(edited(shift_x=x, shift_y=y), expected)


def test_the_cover_is_a_grey_square_around_its_centre() -> None:
    expected = PIXELS.copy()
    expected[4:12, 20:28] = GREY
    assert np.array_equal(edited(cover_size=25, cover_x=25, cover_y=-25), expected)
    assert (edited(cover_size=100) == GREY).all()
    corner = edited(cover_size=50, cover_x=-50, cover_y=50)
    assert (corner[24:, :8] == GREY).all()
    assert np.array_equal(corner[:24], PIXELS[:24])


def test_mirror_and_quarter_turns_are_exact() -> None:
    assert np.array_equal(edited(mirror=True), PIXELS[:, ::-1])
    assert np.array_equal(edited(rotate=90), np.rot90(PIXELS))
    assert np.array_equal(edited(rotate=-180), PIXELS[::-1, ::-1])


def test_a_slanted_turn_brings_grey_into_the_corners() -> None:
    turned = edited(Image.new("RGB", (64, 64), (255, 0, 0)), rotate=45)
    assert (turned[[0, 0, -1, -1], [0, -1, 0, -1]] == GREY).all()
    assert (turned[32, 32] == (255, 0, 0)).all()


def test_grey_takes_the_colour_and_keeps_the_brightness() -> None:
    grey = edited(grey=True)
    assert (grey == grey[..., :1]).all()
    luma = PIXELS @ np.array([0.299, 0.587, 0.114])
    assert abs(grey[..., 0] - luma).max() <= 1


def test_hue_turns_red_by_a_third_into_green_and_back() -> None:
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    green = edited(red, hue=120)[0, 0].astype(int)
    blue = edited(red, hue=-120)[0, 0].astype(int)
    assert (green[1], blue[2]) == (255, 255)
    assert max(green[0], green[2], blue[0], blue[1]) <= 6
    assert (edited(Image.new("RGB", (32, 32), (90, 90, 90)), hue=77) == 90).all()


def test_brightness_and_contrast_scale_the_pixels() -> None:
    assert (edited(brightness=-100) == 0).all()
    assert abs(edited(brightness=-50).astype(int) - PIXELS // 2).max() <= 1
    assert np.ptp(edited(contrast=-100)) == 0
    assert edited(contrast=100).std() > PIXELS.std()


def test_colours_change_first_so_that_what_is_brought_in_stays_grey() -> None:
    assert (edited(shift_x=50, brightness=100, hue=90)[:, :16] == GREY).all()


@pytest.mark.parametrize("name", LIMITS)
def test_a_value_beyond_its_limits_is_refused_with_them(name: str) -> None:
    low, high = LIMITS[name]
    for value in (low, high):
        assert edited(**{name: value}).shape == (32, 32, 3)
    for value in (low - 1, high + 1):
        with pytest.raises(ImageError, match=f"{name} must be between {low} and {high}, got {value}"):
            Edits(**{name: value})
