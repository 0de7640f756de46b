"""Feature maps as pictures: every channel of a layer as one image, with a colour scale that is said."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from core.inspection.feature_maps import FeatureMaps

Scale = Literal["channel", "layer"]
_DEAD_SHARE = 1e-3  # of the layer's largest activation
_SHARED_PERCENTILE = 99.5  # of a layer's activations: one outlier must not blacken all other channels
_COLORMAPS = Path(__file__).parent / "colormaps.npz"


@dataclass(frozen=True)
class Mosaic:
    """All channels of one layer in one palette image, tile i at row i // columns, column i % columns.

    channels: the channel shown on each tile. dead: channels that hardly respond to this picture.
    low, high: the values at the ends of the colour scale; None where each channel has its own.
    """

    png: bytes
    channels: tuple[int, ...]
    columns: int
    tile_width: int
    tile_height: int
    dead: tuple[int, ...]
    low: float | None
    high: float | None


@cache
def colormap(name: str) -> np.ndarray:
    """256 x 3, uint8: viridis (from low to high) or signed (blue below 0, white, red above). Both read in print."""
    with np.load(_COLORMAPS) as maps:
        table: np.ndarray = maps[name]
    return table


def colormap_of(maps: FeatureMaps) -> str:
    """The colour map that suits: signed where values below 0 occur."""
    return "signed" if maps.is_signed else "viridis"


def dead_channels(maps: FeatureMaps) -> tuple[int, ...]:
    """Channels whose values hardly vary on this picture: within a thousandth of the layer's largest activation."""
    flat = maps.values.reshape(len(maps.values), -1)
    span = flat.max(1) - flat.min(1) if maps.is_signed else flat.max(1)
    return tuple(np.flatnonzero(span <= _DEAD_SHARE * max(float(np.abs(flat).max()), 1e-12)).tolist())


def limits(maps: FeatureMaps, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """The values at the low and the high end of the colour scale, C each; symmetric about 0 where signed.

    channel: each channel from its own least to its greatest value. layer: one scale for all channels, up to the
    99.5th percentile of the layer.
    """
    flat = np.abs(maps.values) if maps.is_signed else maps.values
    flat = flat.reshape(len(flat), -1)
    if scale == "channel":
        high = flat.max(1)
    else:
        high = np.full(len(flat), np.percentile(flat, _SHARED_PERCENTILE), dtype=flat.dtype)
    high = np.maximum(high, 1e-12)
    low = -high if maps.is_signed else (flat.min(1) if scale == "channel" else np.zeros_like(high))
    return low, high


def to_bytes(maps: FeatureMaps, scale: Scale) -> np.ndarray:
    """The maps as uint8, C x H x W, 0 at the low end of the colour scale and 255 at the high end."""
    low, high = (limit[:, None, None] for limit in limits(maps, scale))
    unit = np.clip((maps.values - low) / np.maximum(high - low, 1e-12), 0, 1)
    pixels: np.ndarray = np.round(unit * 255).astype(np.uint8)
    if scale == "channel":  # a dead channel must not be blown up into noise
        pixels[list(dead_channels(maps))] = 128 if maps.is_signed else 0
    return pixels


def mosaic(maps: FeatureMaps, scale: Scale = "channel") -> Mosaic:
    """All channels of `maps` as one picture, in channel order."""
    pixels = to_bytes(maps, scale)
    count, height, width = pixels.shape
    columns = sheet_columns(count)
    low, high = limits(maps, scale)
    return Mosaic(
        png=palette_png(to_sheet(pixels, columns), colormap_of(maps)),
        channels=tuple(range(count)),
        columns=columns,
        tile_width=width,
        tile_height=height,
        dead=dead_channels(maps),
        low=float(low[0]) if scale == "layer" else None,
        high=float(high[0]) if scale == "layer" else None,
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


def channel_image(maps: FeatureMaps, channel: int, scale: Scale = "channel", size: int = 330) -> Image.Image:
    """One channel, enlarged without smoothing to `size` pixels."""
    image = Image.fromarray(to_bytes(maps, scale)[channel])
    image.putpalette(colormap(colormap_of(maps)).tobytes())
    return image.resize((size, size), Image.Resampling.NEAREST).convert("RGB")


def palette_png(pixels: np.ndarray, name: str) -> bytes:
    """`pixels` (uint8, H x W) as a PNG whose palette is the colour map: half the bytes of RGB."""
    image = Image.fromarray(pixels)
    image.putpalette(colormap(name).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
