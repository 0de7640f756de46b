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
from core.inspection.filters import filter_sheet
from core.inspection.mosaic import Levels, colormap, sheet_columns
from core.runs.checkpoints import Checkpoint
from core.wording import before_packing

_SIDE = 900  # pixels that a sheet should at least be wide
_MARGIN, _TEXT, _TITLE = 24, 18, 26  # pixels
_INK, _GREY, _PAPER = "#111111", "#555555", "#ffffff"


def export_maps(checkpoint: Checkpoint, maps: FeatureMaps, levels: Levels, image: str, path: Path) -> None:
    """Write the mosaic of all channels of `maps`, in the colours of `levels`, as PNG with a caption.

    Raises ExportError where the file can't be written.
    """
    count, height, width = maps.values.shape
    title = f"{maps.layer}, {STAGES[maps.stage]}: {count} channels of {height} × {width}"
    quiet = f" {len(levels.silent)} of them hardly respond." if levels.silent else ""
    lines = [f"For {image}. Channel 0 is top left, {sheet_columns(count)} in a row.{quiet}", described(checkpoint)]
    _save_png(captioned(maps_sheet(levels), title, lines, bar=levels), title, lines, path)


def export_filters(checkpoint: Checkpoint, kernels: np.ndarray, path: Path) -> None:
    """Write conv1's filters (float32, C x 3 x H x W) as PNG, captioned. Raises ExportError as export_maps does."""
    count, _, height, width = kernels.shape
    title = f"conv1: {count} filters of {height} × {width}, in colour"
    lines = [
        "As far as they act: stretched images are smooth. Each is on its own scale; grey is 0. Filter 0 is top "
        "left, 12 in a row.",
        described(checkpoint),
    ]
    sheet = filter_sheet(kernels, checkpoint.input_spec.image_size)
    _save_png(captioned(enlarged(sheet, _SIDE), title, lines), title, lines, path)


def described(checkpoint: Checkpoint) -> str:
    """Where a picture comes from, in one line."""
    return f"Run {checkpoint.run.id}, {standing(checkpoint)}."


def standing(checkpoint: Checkpoint) -> str:
    """How far its training had got."""
    words = f"after step {checkpoint.step:,}"
    if checkpoint.val_accuracy is None:
        return words
    return f"{words}, validation accuracy {checkpoint.val_accuracy:.1%}{before_packing(checkpoint.run)}"


def maps_sheet(levels: Levels, side: int = _SIDE) -> Image.Image:
    """All channels in colour, thin lines between, enlarged without smoothing to at least `side` pixels' width: RGB."""
    count, height, width = levels.pixels.shape
    columns = sheet_columns(count)
    rows, factor = math.ceil(count / columns), max(1, math.ceil(side / (columns * width)))
    tiles = colormap(levels.colors)[levels.pixels.repeat(factor, 1).repeat(factor, 2)]
    sheet = np.full((rows * columns, height * factor + 2, width * factor + 2, 3), 255, np.uint8)
    sheet[:count, 1:-1, 1:-1] = tiles
    rest = sheet.reshape(rows, columns, *sheet.shape[1:]).swapaxes(1, 2)
    return Image.fromarray(rest.reshape(rows * sheet.shape[1], columns * sheet.shape[2], 3))


def enlarged(picture: Image.Image, side: int) -> Image.Image:
    """`picture` times a whole number, so that it is at least `side` pixels wide."""
    factor = max(1, math.ceil(side / picture.width))
    return picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.NEAREST)


def confusion_picture(counts: np.ndarray, side: int = 480) -> Image.Image:
    """True class (row) by predicted class (int64, K x K) in viridis: the share of the true class, from 0 to 1. RGB."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return enlarged(Image.fromarray(colormap("viridis")[np.round(share * 255).astype(np.uint8)]), side)


def captioned(picture: Image.Image, title: str, lines: Sequence[str], bar: Levels | None = None) -> Image.Image:
    """`picture` on white under a title and above `lines`, wrapped to its width. bar: whose colour scale to explain."""
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


def _draw_bar(page: Image.Image, draw: ImageDraw.ImageDraw, levels: Levels, y: int) -> int:
    """The colour bar with its two ends; where what follows begins."""
    low, high = "least" if levels.colors == "viridis" else "negative", "greatest of each channel"
    if levels.shared:
        low, high = f"{levels.low[0]:.3g}", f"{levels.high[0]:.3g} and above, of all channels"
    strip = Image.fromarray(np.tile(colormap(levels.colors), (_TEXT, 1, 1)))
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
