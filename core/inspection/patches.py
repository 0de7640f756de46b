"""Where in images a channel responded most: the patches as one picture, the receptive field boxed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from core.data.images import ImageSet
from core.inspection.atlas import LayerAtlas
from core.inspection.receptive_field import Box, receptive_field
from core.model.alexnet import INPUT_SIZE

TILE = 112  # pixels a side
_GAP = 4
_LEAST = 64  # input pixels a side: less of a picture says nothing
_AROUND = 1.6  # times the receptive field
_COLUMNS = 3


def top_patches(images: ImageSet, entries: LayerAtlas, layer: str, channel: int) -> Image.Image:
    """The patches of `images`, of which `entries` is the atlas, to which a channel that isn't dead responds most."""
    found = entries.top_images[channel]
    units = zip(entries.top_rows[channel], entries.top_columns[channel], strict=True)
    boxes = [receptive_field(layer, int(row), int(column)) for row, column in units]
    shown = [i for i, image in enumerate(found) if image >= 0]
    return patch_sheet([images.image(int(found[i])) for i in shown], [boxes[i] for i in shown])


def patch_sheet(images: Sequence[np.ndarray], boxes: Sequence[Box]) -> Image.Image:
    """The surroundings of boxes[i] in images[i] (at least one), row by row, each box drawn: RGB, grey between them.

    images: uint8, S x S x 3. boxes: in pixels of the network's 227 x 227 input, to which an image is stretched.
    """
    rows = -(-len(images) // _COLUMNS)
    step = TILE + _GAP
    sheet = Image.new("RGB", (_COLUMNS * step - _GAP, rows * step - _GAP), "gray")
    for i, (image, box) in enumerate(zip(images, boxes, strict=True)):
        sheet.paste(_patch(image, box), (i % _COLUMNS * step, i // _COLUMNS * step))
    return sheet


def _patch(image: np.ndarray, box: Box) -> Image.Image:
    side = min(INPUT_SIZE, max(_LEAST, _AROUND * max(box.bottom - box.top, box.right - box.left)))

    def start(low: int, high: int) -> float:
        return min(max((low + high - side) / 2, 0), INPUT_SIZE - side)

    top, left = start(box.top, box.bottom), start(box.left, box.right)
    scale = image.shape[0] / INPUT_SIZE
    seen = (left * scale, top * scale, (left + side) * scale, (top + side) * scale)
    tile = Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BILINEAR, box=seen)
    zoom = TILE / side
    edges = [round((box.left - left) * zoom), round((box.top - top) * zoom)]
    edges += [round((box.right - left) * zoom) - 1, round((box.bottom - top) * zoom) - 1]
    draw = ImageDraw.Draw(tile)
    draw.rectangle(edges, outline="black", width=4)  # white within black: seen on any picture
    draw.rectangle([edges[0] + 1, edges[1] + 1, edges[2] - 1, edges[3] - 1], outline="white", width=2)
    return tile
