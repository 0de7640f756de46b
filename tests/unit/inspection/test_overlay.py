"""core.inspection.overlay: colours that mean what the scale says, over a photo that stays in sight."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.errors import InspectionError
from core.inspection.mosaic import colormap
from core.inspection.overlay import color_limit, overlay

PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_at_opacity_1_each_pixel_has_the_colour_of_its_value() -> None:
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    shown = np.asarray(overlay(PHOTO, values, 1.0))
    level = np.round(255 * np.clip(values / color_limit(values), 0, 1)).astype(int)
    np.testing.assert_array_equal(shown, colormap("viridis")[level])
    assert color_limit(values) == pytest.approx(0.99, abs=1e-3)


def test_signed_values_are_blue_below_0_and_red_above() -> None:
    values = np.zeros((20, 30), np.float32)
    values[:5], values[15:] = -2, 2
    shown = np.asarray(overlay(PHOTO, values, 1.0)).astype(int)
    assert (shown[:5, :, 2] > shown[:5, :, 0]).all()
    assert (shown[15:, :, 0] > shown[15:, :, 2]).all()
    assert (shown[10] > 240).all()


def test_values_that_happen_to_be_positive_can_be_drawn_as_signed() -> None:
    values = np.ones((20, 30), np.float32)
    np.testing.assert_array_equal(np.asarray(overlay(PHOTO, values, 1.0, signed=True))[0, 0], colormap("signed")[255])
    np.testing.assert_array_equal(np.asarray(overlay(PHOTO, values, 1.0))[0, 0], colormap("viridis")[255])


def test_at_opacity_0_the_photo_is_there_in_grey_and_halfway_it_is_mixed() -> None:
    values = np.ones((20, 30), np.float32)
    grey = np.asarray(Image.fromarray(PHOTO).convert("L"))
    np.testing.assert_array_equal(np.asarray(overlay(PHOTO, values, 0.0)), np.repeat(grey[..., None], 3, axis=2))
    half = np.asarray(overlay(PHOTO, values, 0.5)).astype(float)
    np.testing.assert_allclose(half, (grey[..., None] + colormap("viridis")[255].astype(float)) / 2, atol=1)


def test_fewer_values_than_pixels_are_stretched_and_keep_their_places() -> None:
    values = np.zeros((4, 6), np.float32)
    values[0, 5] = 1
    shown = overlay(PHOTO, values, 1.0)
    assert shown.size == (30, 20)
    bright = np.asarray(shown).astype(int)[..., 0]
    assert np.unravel_index(bright.argmax(), bright.shape)[0] < 5
    assert np.unravel_index(bright.argmax(), bright.shape)[1] >= 25


def test_values_that_are_all_0_draw_without_a_warning() -> None:
    shown = np.asarray(overlay(PHOTO, np.zeros((20, 30), np.float32), 1.0))
    assert (shown == colormap("viridis")[0]).all()


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_outside_its_limits_is_refused(opacity: float) -> None:
    with pytest.raises(InspectionError, match="between 0 and 1"):
        overlay(PHOTO, np.ones((20, 30), np.float32), opacity)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InspectionError, match="diverged"):
        overlay(PHOTO, np.full((20, 30), np.nan, np.float32), 0.5)
