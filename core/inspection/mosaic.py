"""Feature maps as pictures: every channel of a layer as one image, with a colour scale that is said."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from core.errors import InspectionError
from core.inspection.feature_maps import FeatureMaps

Scale = Literal["channel", "layer", "fixed"]
_DEAD_SHARE = 1e-3  # of the layer's largest activation
_SHARED_PERCENTILE = 99.5  # of a layer's activations: one outlier must not blacken all other channels
_COLORMAPS = Path(__file__).parent / "colormaps.npz"


@dataclass(frozen=True)
class Mosaic:
    """Channels of one layer in one palette image, tile i at row i // columns, column i % columns.

    channels: the channel shown on each tile. silent: those of them that hardly respond to this picture.
    low, high: the values at the ends of the colour scale; None where each channel has its own.
    """

    png: bytes
    channels: tuple[int, ...]
    columns: int
    tile_width: int
    tile_height: int
    silent: tuple[int, ...]
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Levels:
    """Every channel of a layer in colours.

    pixels: uint8, C x H x W, 0 at the low end of the colour scale and 255 at the high end. low, high: the values at
    those ends, C each. shared: whether all channels have one scale; values can then lie beyond its ends. silent:
    channels that hardly respond to this picture. colors: the name of the colour map.
    """

    layer: str
    pixels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shared: bool
    silent: tuple[int, ...]
    colors: str


@cache
def colormap(name: str) -> np.ndarray:
    """256 x 3, uint8: viridis (from low to high) or signed (blue below 0, white, red above). Both read in print."""
    with np.load(_COLORMAPS) as maps:
        table: np.ndarray = maps[name]
    return table


def colormap_of(maps: FeatureMaps) -> str:
    """The colour map that suits: signed where values below 0 occur."""
    return "signed" if maps.is_signed else "viridis"


def silent_channels(maps: FeatureMaps) -> tuple[int, ...]:
    """Channels whose values hardly vary on this picture: within a thousandth of the layer's largest activation."""
    flat = maps.values.reshape(len(maps.values), -1)
    span = flat.max(1) - flat.min(1) if maps.is_signed else flat.max(1)
    return tuple(np.flatnonzero(span <= _DEAD_SHARE * max(float(np.abs(flat).max()), 1e-12)).tolist())


def limits(maps: FeatureMaps, scale: Scale, fixed: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The values at the low and the high end of the colour scale, C each; symmetric about 0 where signed.

    channel: each channel from its own least to its greatest value. layer: one scale for all channels, up to the
    99.5th percentile of the layer. fixed: up to `fixed`, the same on every picture and checkpoint.
    Raises InspectionError where `fixed` is needed and isn't a number above 0.
    """
    flat = np.abs(maps.values) if maps.is_signed else maps.values
    flat = flat.reshape(len(flat), -1)
    if scale == "channel":
        high = flat.max(1)
    elif scale == "layer":
        high = np.full(len(flat), np.percentile(flat, _SHARED_PERCENTILE), dtype=flat.dtype)
    else:
        if fixed is None or not 0 < fixed < math.inf:
            raise InspectionError(f"A fixed colour scale needs its greatest value, a number above 0, got {fixed}.")
        high = np.full(len(flat), fixed, dtype=flat.dtype)
    high = np.maximum(high, 1e-12)
    low = -high if maps.is_signed else (flat.min(1) if scale == "channel" else np.zeros_like(high))
    return low, high


def to_levels(maps: FeatureMaps, scale: Scale = "channel", fixed: float | None = None) -> Levels:
    """All channels of `maps` in colours. Raises as `limits`."""
    low, high = limits(maps, scale, fixed)
    silent = silent_channels(maps)
    unit = (maps.values - low[:, None, None]) / np.maximum(high - low, 1e-12)[:, None, None]
    pixels = np.round(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    if scale == "channel":  # a silent channel must not be blown up into noise
        pixels[list(silent)] = 128 if maps.is_signed else 0
    return Levels(
        layer=maps.layer,
        pixels=pixels,
        low=low,
        high=high,
        shared=scale != "channel",
        silent=silent,
        colors=colormap_of(maps),
    )


def lay_out(levels: Levels, channels: Sequence[int] | None = None) -> Mosaic:
    """`channels` (at least one; None: all) in that order as one picture.

    Raises InspectionError for no channel and for one that isn't there.
    """
    count, height, width = levels.pixels.shape
    shown = tuple(range(count)) if channels is None else tuple(channels)
    if not shown or not 0 <= min(shown) <= max(shown) < count:
        raise InspectionError(f"{levels.layer} has channels 0 to {count - 1}; asked for {list(shown)}.")
    columns = sheet_columns(len(shown))
    return Mosaic(
        png=palette_png(to_sheet(levels.pixels[list(shown)], columns), levels.colors),
        channels=shown,
        columns=columns,
        tile_width=width,
        tile_height=height,
        silent=tuple(channel for channel in shown if channel in set(levels.silent)),
        low=float(levels.low[0]) if levels.shared else None,
        high=float(levels.high[0]) if levels.shared else None,
    )


def sheet_columns(count: int) -> int:
    """Columns of a nearly square sheet of `count` tiles."""
    return math.ceil(math.sqrt(count))


def to_sheet(tiles: np.ndarray, columns: int, fill: int = 0) -> np.ndarray:
    """`tiles` (uint8, C x H x W) side by side, row by row; places left over hold `fill`."""
    count, height, width = tiles.shape
    rows = math.ceil(count / columns)
    sheet = np.full((rows * columns, height, width), fill, dtype=np.uint8)
    sheet[:count] = tiles
    return sheet.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def palette_png(pixels: np.ndarray, name: str) -> bytes:
    """`pixels` (uint8, H x W) as a PNG whose palette is the colour map: half the bytes of RGB."""
    image = Image.fromarray(pixels)
    image.putpalette(colormap(name).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
