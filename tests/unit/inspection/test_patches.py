"""core.inspection.patches: the right part of the right image, with the receptive field where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.images import ImageSet
from core.inspection.atlas import LayerAtlas
from core.inspection.patches import TILE, patch_sheet, top_patches
from core.inspection.receptive_field import Box, receptive_field

WHITE = (255, 255, 255)


def plain(color: int, side: int = 227) -> np.ndarray:
    return np.full((side, side, 3), color, np.uint8)


def tile(sheet: np.ndarray, i: int) -> np.ndarray:
    top, left = i // 3 * (TILE + 4), i % 3 * (TILE + 4)
    return sheet[top : top + TILE, left : left + TILE]


@pytest.mark.parametrize(("count", "shape"), [(1, (112, 344)), (3, (112, 344)), (4, (228, 344)), (9, (344, 344))])
def test_patches_lie_side_by_side_in_three_columns(count: int, shape: tuple[int, int]) -> None:
    sheet = np.asarray(patch_sheet([plain(10 * i) for i in range(count)], [Box(60, 60, 150, 150)] * count))
    assert sheet.shape == (*shape, 3)
    for i in range(count):
        assert (tile(sheet, i)[0, 0] == 10 * i).all()
    assert (sheet[:, TILE] == 128).all(), "grey between them"


def test_a_large_field_is_boxed_on_the_whole_image() -> None:
    box = Box(0, 30, 170, 227)
    found = np.asarray(patch_sheet([plain(0)], [box]))[:TILE, :TILE]
    rows, columns = np.nonzero((found == WHITE).all(2))
    zoom = TILE / 227
    assert rows.min() == pytest.approx(0, abs=1.5)
    assert rows.max() == pytest.approx(170 * zoom, abs=2.5)
    assert columns.min() == pytest.approx(30 * zoom, abs=1.5)
    assert columns.max() == pytest.approx(227 * zoom, abs=2.5)


@pytest.mark.parametrize("side", [32, 227])
def test_a_small_field_is_shown_with_what_is_around_it(side: int) -> None:
    """A dark image, bright exactly in the box: so must the patch be, inside the box that is drawn."""
    image, box = plain(0, side), Box(92, 128, 120, 156)
    edges = [round(value * side / 227) for value in (box.top, box.bottom, box.left, box.right)]
    image[edges[0] : edges[1], edges[2] : edges[3]] = 200
    found = np.asarray(patch_sheet([image], [box]))[:TILE, :TILE].astype(int)
    zoom = TILE / 64  # the least part of an image that is shown
    middle = slice(round(TILE / 2 - 8 * zoom), round(TILE / 2 + 8 * zoom))
    assert found[middle, middle].min() > 150
    assert found[: round(8 * zoom)].max() == 0


def test_the_strongest_images_come_with_the_field_of_their_unit() -> None:
    pixels = torch.arange(12, dtype=torch.uint8).mul(20)[:, None, None, None].expand(12, 3, 32, 32).contiguous()
    images = ImageSet(pixels, torch.zeros(12, dtype=torch.int64), ("one",))
    none = np.zeros(2, np.float32)
    top = np.full((2, 9), -1)
    top[1, :2] = 7, 3
    rows, columns = np.full((2, 9), 6), np.full((2, 9), 6)
    rows[1, 1], columns[1, 1] = 0, 12
    atlas = LayerAtlas(none, none, none, none, none, none, none, top, rows, columns, top.astype(np.float32))
    sheet = np.asarray(top_patches(images, atlas, "conv3", 1))
    assert sheet.shape == (TILE, 3 * TILE + 8, 3)
    wanted = [receptive_field("conv3", 6, 6), receptive_field("conv3", 0, 12)]
    np.testing.assert_array_equal(sheet, np.asarray(patch_sheet([images.image(7), images.image(3)], wanted)))
