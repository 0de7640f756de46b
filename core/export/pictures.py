"""Mosaics as pictures that explain themselves: enlarged, with a caption and a colour bar."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from core.export.files import whole
from core.inspection.feature_maps import STAGES, FeatureMaps
from core.inspection.filters import filter_image
from core.inspection.mosaic import Scale, colormap, colormap_of, dead_channels, limits, sheet_columns, to_bytes
from core.runs.checkpoints import Checkpoint

_SIDE = 900  # pixels that a sheet should at least be wide
_MARGIN, _TEXT, _TITLE = 24, 18, 26  # pixels
_INK, _GREY, _PAPER = "#111111", "#555555", "#ffffff"


def export_maps(checkpoint: Checkpoint, maps: FeatureMaps, scale: Scale, image: str, path: Path) -> None:
    """Write the mosaic of all channels as PNG, captioned. Raises ExportError where the file can't be written."""
    count, height, width = maps.values.shape
    title = f"{maps.layer}, {STAGES[maps.stage]}: {count} channels of {height} × {width}"
    quiet = f" {len(dead_channels(maps))} of them hardly respond." if dead_channels(maps) else ""
    columns = sheet_columns(count)
    lines = [f"For {image}. Channel 0 is top left, {columns} in a row.{quiet}", described(checkpoint)]
    picture = captioned(maps_sheet(maps, scale), title, lines, bar=_bar(maps, scale))
    _save_png(picture, title, lines, path)


def export_filters(checkpoint: Checkpoint, kernels: np.ndarray, path: Path) -> None:
    """Write conv1's filters (float32, C x 3 x H x W) as PNG, captioned. Raises ExportError as export_maps does."""
    count, _, height, width = kernels.shape
    title = f"conv1: {count} filters of {height} × {width}, in colour"
    lines = ["Each on its own scale; grey is 0. Filter 0 is top left, 12 in a row.", described(checkpoint)]
    _save_png(captioned(filters_sheet(kernels), title, lines), title, lines, path)


def described(checkpoint: Checkpoint) -> str:
    """Where a picture comes from, in one line."""
    accuracy = "" if checkpoint.val_accuracy is None else f", validation accuracy {checkpoint.val_accuracy:.1%}"
    return f"Run {checkpoint.run.id}, after step {checkpoint.step:,}{accuracy}."


def maps_sheet(maps: FeatureMaps, scale: Scale, side: int = _SIDE) -> Image.Image:
    """All channels in colour, enlarged without smoothing to at least `side` pixels of width: RGB."""
    tiles = colormap(colormap_of(maps))[to_bytes(maps, scale)]
    return _sheet(tiles, sheet_columns(len(tiles)), side)


def filters_sheet(kernels: np.ndarray, side: int = _SIDE) -> Image.Image:
    """conv1's filters (C x 3 x H x W) in colour, 12 in a row, at least `side` pixels wide: RGB."""
    return _sheet(np.stack([np.asarray(filter_image(kernel)) for kernel in kernels]), 12, side)


def confusion_picture(counts: np.ndarray, side: int = 480) -> Image.Image:
    """True class (row) by predicted class (int64, K x K) in viridis: the share of the true class, from 0 to 1. RGB."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    small = Image.fromarray(colormap("viridis")[np.round(share * 255).astype(np.uint8)])
    factor = max(1, side // len(counts))
    return small.resize((factor * small.width, factor * small.height), Image.Resampling.NEAREST)


def captioned(
    picture: Image.Image, title: str, lines: Sequence[str], bar: tuple[str, str, str] | None = None
) -> Image.Image:
    """`picture` on white under a title and above `lines`, wrapped to its width.

    bar: the names of the low and the high end of a colour scale, and of its colour map.
    """
    width = picture.width + 2 * _MARGIN
    written = [(part, _TITLE, _INK) for part in _wrapped(title, _TITLE, picture.width)]
    below = [(part, _TEXT, _GREY) for line in lines for part in _wrapped(line, _TEXT, picture.width)]
    rows = [round(1.45 * size) for _, size, _ in written + below]
    height = sum(rows) + picture.height + 3 * _MARGIN + (_MARGIN + _TEXT if bar else 0)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    y = _MARGIN
    y = _write(draw, written, y) + _MARGIN // 2
    page.paste(picture, (_MARGIN, y))
    y += picture.height + _MARGIN // 2
    if bar:
        y = _draw_bar(page, draw, bar, y)
    _write(draw, below, y)
    return page


def _bar(maps: FeatureMaps, scale: Scale) -> tuple[str, str, str]:
    """What the ends of the colour scale mean, and its colour map."""
    low, high = ("least" if not maps.is_signed else "negative", "greatest of each channel")
    if scale == "layer":
        low, high = (f"{float(end[0]):.3g}" for end in limits(maps, scale))
        high = f"{high} and above, of the whole layer"
    return low, high, colormap_of(maps)


def _sheet(tiles: np.ndarray, columns: int, side: int) -> Image.Image:
    """Tiles (uint8, C x H x W x 3) row by row, a pixel of white around each, enlarged by a whole number."""
    count, height, width, _ = tiles.shape
    rows, factor = math.ceil(count / columns), max(1, math.ceil(side / (columns * width)))
    sheet = Image.new("RGB", (columns * (factor * width + 2), rows * (factor * height + 2)), _PAPER)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        large = Image.fromarray(tile).resize((factor * width, factor * height), Image.Resampling.NEAREST)
        sheet.paste(large, (column * (factor * width + 2) + 1, row * (factor * height + 2) + 1))
    return sheet


def _draw_bar(page: Image.Image, draw: ImageDraw.ImageDraw, bar: tuple[str, str, str], y: int) -> int:
    """The colour bar with its two ends; where what follows begins."""
    low, high, name = bar
    strip = Image.fromarray(np.tile(colormap(name), (_TEXT, 1, 1)))
    x = _MARGIN
    draw.text((x, y), low, _GREY, _font(_TEXT))
    x += round(draw.textlength(low, _font(_TEXT))) + 10
    page.paste(strip, (x, y + 3))
    draw.text((x + strip.width + 10, y), high, _GREY, _font(_TEXT))
    return y + _TEXT + _MARGIN


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[tuple[str, int, str]], y: int) -> int:
    for text, size, color in lines:
        draw.text((_MARGIN, y), text, color, _font(size))
        y += round(1.45 * size)
    return y


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """`text` in lines that fit into `width` pixels; a word that doesn't is cut."""
    lines, line = [], ""
    for word in _drawable(text).split():
        longer = f"{line} {word}".strip()
        if line and _font(size).getlength(longer) > width:
            lines.append(line)
            longer = word
        while len(longer) > 4 and _font(size).getlength(longer) > width:
            longer = longer[:-4] + "..."
        line = longer
    return [*lines, line]


def _drawable(text: str) -> str:
    """`text` in the letters that Pillow's own font has, which is there on every machine: accents go, the rest is a ?"""
    plain = unicodedata.normalize("NFKD", text.replace("×", "x"))
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode("ascii")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _save_png(picture: Image.Image, title: str, lines: Sequence[str], path: Path) -> None:
    info = PngInfo()
    info.add_itxt("Title", title)
    info.add_itxt("Description", " ".join(lines))
    with whole(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=info, compress_level=6)
