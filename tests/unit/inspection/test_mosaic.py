"""core.inspection.mosaic: every channel at its place, on a scale that is said."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import InspectionError
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import (
    Mosaic,
    Scale,
    colormap,
    lay_out,
    limits,
    sheet_columns,
    silent_channels,
    to_levels,
    to_sheet,
)

SCALES: tuple[Scale, ...] = ("channel", "layer")


def maps_of(values: np.ndarray, stage: str = "relu") -> FeatureMaps:
    return FeatureMaps("conv3", stage, values.astype(np.float32))


def some(channels: int = 7, height: int = 3, width: int = 4, stage: str = "relu") -> FeatureMaps:
    values = np.random.default_rng(0).normal(size=(channels, height, width)) * np.arange(1, channels + 1)[:, None, None]
    return maps_of(values if stage == "conv" else np.maximum(values, 0), stage)


def mosaic(
    maps: FeatureMaps, scale: Scale = "channel", *, channels: tuple[int, ...] | None = None, fixed: float | None = None
) -> Mosaic:
    return lay_out(to_levels(maps, scale, fixed), channels)


@pytest.mark.parametrize("stage", ["conv", "relu"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("channels", [1, 2, 7, 9, 96, 384])
def test_tile_i_lies_at_its_place_in_the_png(channels: int, scale: Scale, stage: str) -> None:
    maps = some(channels, stage=stage)
    found = mosaic(maps, scale)
    image = Image.open(io.BytesIO(found.png))
    assert (image.format, image.mode) == ("PNG", "P")
    rows = -(-channels // found.columns)
    assert image.size == (found.columns * 4, rows * 3)
    assert (found.tile_width, found.tile_height, found.channels) == (4, 3, tuple(range(channels)))
    sheet, expected = np.asarray(image), to_levels(maps, scale).pixels
    for i in range(channels):
        y, x = i // found.columns * 3, i % found.columns * 4
        np.testing.assert_array_equal(sheet[y : y + 3, x : x + 4], expected[i])
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    np.testing.assert_array_equal(palette, colormap("signed" if stage == "conv" else "viridis"))


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (96, 10), (256, 16), (384, 20)])
def test_the_sheet_is_nearly_square(count: int, columns: int) -> None:
    assert sheet_columns(count) == columns


def test_places_left_over_hold_the_fill() -> None:
    sheet = to_sheet(np.ones((5, 2, 2), np.uint8), 3, fill=9)
    assert sheet.shape == (4, 6)
    assert (sheet[2:, 4:] == 9).all()
    assert (sheet == 1).sum() == 20


def test_each_channel_by_itself_spans_the_whole_scale() -> None:
    pixels = to_levels(some(), "channel").pixels.reshape(7, -1)
    assert pixels.min(1).tolist() == [0] * 7
    assert pixels.max(1).tolist() == [255] * 7


def test_one_scale_for_all_channels_keeps_their_order() -> None:
    maps = some(96)
    low, high = limits(maps, "layer")
    assert (low == 0).all()
    assert high[0] == pytest.approx(np.percentile(maps.values, 99.5))
    pixels, values = to_levels(maps, "layer").pixels, maps.values
    np.testing.assert_array_equal(pixels, np.round(np.clip(values / high[0], 0, 1) * 255).astype(np.uint8))
    found = mosaic(maps, "layer")
    assert (found.low, found.high) == (0, pytest.approx(float(high[0])))
    assert (mosaic(maps, "channel").low, mosaic(maps, "channel").high) == (None, None)


@pytest.mark.parametrize("scale", SCALES)
def test_zero_is_the_middle_of_a_signed_scale(scale: Scale) -> None:
    maps = some(stage="conv")
    low, high = limits(maps, scale)
    np.testing.assert_array_equal(low, -high)
    pixels = to_levels(maps, scale).pixels.astype(int)
    assert (pixels[maps.values > 0] >= 128).all()
    assert (pixels[maps.values < 0] <= 127).all()


def test_silent_channels_are_named_and_not_blown_up_into_noise() -> None:
    values = some(6).values.copy()
    values[2] = 0
    values[4] = 1e-7 * np.arange(12).reshape(3, 4)
    assert silent_channels(maps_of(values)) == mosaic(maps_of(values)).silent == (2, 4)
    assert not to_levels(maps_of(values), "channel").pixels[[2, 4]].any()
    assert to_levels(maps_of(values), "channel").pixels[[0, 1, 3, 5]].any((1, 2)).all()


def test_a_signed_channel_is_dead_where_it_hardly_varies() -> None:
    values = some(3, stage="conv").values.copy()
    values[1] = values[1].flat[0]
    maps = maps_of(values, "conv")
    assert silent_channels(maps) == (1,)
    assert (to_levels(maps, "channel").pixels[1] == 128).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("stage", ["conv", "relu"])
def test_all_zero_maps_are_drawn_without_a_warning(scale: Scale, stage: str) -> None:
    maps = maps_of(np.zeros((4, 2, 2)), stage)
    assert len(np.unique(to_levels(maps, scale).pixels)) == 1
    assert mosaic(maps, scale).silent == (0, 1, 2, 3)


def test_a_fixed_scale_ends_at_the_value_of_the_user_on_any_picture() -> None:
    for channels in (3, 7):
        maps = some(channels)
        found = mosaic(maps, "fixed", fixed=2.5)
        assert (found.low, found.high) == (0, 2.5)
        expected = np.round(np.clip(maps.values / np.float32(2.5), 0, 1) * 255)
        np.testing.assert_array_equal(to_levels(maps, "fixed", 2.5).pixels, expected)
    signed = some(stage="conv")
    assert (mosaic(signed, "fixed", fixed=2.5).low, mosaic(signed, "fixed", fixed=2.5).high) == (-2.5, 2.5)
    assert to_levels(signed, "fixed", 2.5).pixels[signed.values > 2.5].min() == 255
    assert to_levels(signed, "fixed", 2.5).pixels[signed.values < -2.5].max() == 0


@pytest.mark.parametrize("fixed", [None, 0, -1.0, float("nan"), float("inf")])
def test_a_fixed_scale_needs_a_greatest_value(fixed: float | None) -> None:
    with pytest.raises(InspectionError, match="a number above 0"):
        mosaic(some(), "fixed", fixed=fixed)


def test_chosen_channels_lie_in_their_order_in_the_colours_they_have_among_all() -> None:
    values = some(9).values.copy()
    values[4] = 0
    maps = maps_of(values)
    chosen = (8, 4, 0, 3, 1)
    found = mosaic(maps, "layer", channels=chosen)
    assert (found.channels, found.columns, found.silent) == (chosen, 3, (4,))
    assert found.high == mosaic(maps, "layer").high
    sheet, expected = np.asarray(Image.open(io.BytesIO(found.png))), to_levels(maps, "layer").pixels
    assert sheet.shape == (6, 12)
    for i, channel in enumerate(chosen):
        y, x = i // 3 * 3, i % 3 * 4
        np.testing.assert_array_equal(sheet[y : y + 3, x : x + 4], expected[channel])


@pytest.mark.parametrize("channels", [(), (-1,), (0, 7)])
def test_channels_that_are_not_there_are_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(InspectionError, match="conv3 has channels 0 to 6"):
        mosaic(some(), channels=channels)


def test_levels_say_what_their_colours_mean() -> None:
    maps = some(stage="conv")
    levels = to_levels(maps, "channel")
    assert (levels.layer, levels.shared, levels.colors) == ("conv3", False, "signed")
    np.testing.assert_array_equal(levels.high, np.abs(maps.values).max((1, 2)))
    unit = maps.values / levels.high[:, None, None] / 2 + 0.5
    np.testing.assert_allclose(levels.pixels, 255 * unit, atol=0.51)
    assert to_levels(maps, "layer").shared
    assert to_levels(maps, "fixed", 3).shared


def test_all_channels_of_the_widest_layer_travel_in_150_kb() -> None:
    noise = np.random.default_rng(0).random((384, 13, 13))  # no real map compresses worse
    assert len(mosaic(maps_of(noise), "layer").png) <= 150_000


def test_colours_run_from_dark_to_bright_and_white_is_zero() -> None:
    viridis, signed = colormap("viridis").astype(int), colormap("signed").astype(int)
    light = viridis @ np.array([2126, 7152, 722])
    assert (np.diff(light) > -10_000).all()  # rises throughout, but for rounding
    assert light[-1] > 4 * light[0]
    assert signed[127:129].min() > 230
    assert signed[0, 2] > signed[0, 0]  # blue below
    assert signed[-1, 0] > signed[-1, 2]  # red above
