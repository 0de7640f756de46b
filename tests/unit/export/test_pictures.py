"""core.export.pictures: every channel where the caption says, and a caption that fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.export.pictures import captioned, confusion_picture, export_filters, export_maps, maps_sheet
from core.inspection.feature_maps import FeatureMaps, feature_maps
from core.inspection.mosaic import colormap, to_levels
from core.model.alexnet import AlexNet
from core.runs.checkpoints import Checkpoint


def test_each_channel_is_a_tile_in_its_place() -> None:
    values = np.random.default_rng(0).random((7, 4, 5), dtype=np.float32)
    levels = to_levels(FeatureMaps("conv3", "relu", values))
    sheet = np.asarray(maps_sheet(levels, side=30))  # three in a row, each pixel 2 x 2, a pixel of white around
    assert sheet.shape == (3 * (2 * 4 + 2), 3 * (2 * 5 + 2), 3)
    for channel in range(7):
        row, column = divmod(channel, 3)
        tile = sheet[row * 10 + 1 : row * 10 + 9 : 2, column * 12 + 1 : column * 12 + 11 : 2]
        np.testing.assert_array_equal(tile, colormap("viridis")[levels.pixels[channel]])
    assert (sheet[21:, 13:] == 255).all(), "places left over are white"


@pytest.mark.parametrize(("stage", "scale"), [("conv", "channel"), ("relu", "layer"), ("pool", "channel")])
def test_a_mosaic_carries_its_caption(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path: Path, stage: str, scale: str
) -> None:
    maps = feature_maps(model, picture, "conv5", stage)
    export_maps(checkpoint, maps, to_levels(maps, scale), "my picture.png", tmp_path / "maps.png")
    with Image.open(tmp_path / "maps.png") as file:
        assert file.mode == "RGB"
        assert 900 <= file.width < 1400
        assert file.text["Title"].startswith("conv5, ")
        assert "For my picture.png. Channel 0 is top left, 16 in a row." in file.text["Description"]
        assert "Run trained, after step " in file.text["Description"]


def test_filters_are_drawn_too(checkpoint: Checkpoint, model: AlexNet, tmp_path: Path) -> None:
    export_filters(checkpoint, model.conv1.weight.numpy(), tmp_path / "filters.png")
    with Image.open(tmp_path / "filters.png") as file:
        assert file.text["Title"] == "conv1: 96 filters of 11 × 11, in colour"


@pytest.mark.parametrize("words", ["a " * 200, "x" * 400, "naïve 画像 ×.png", ""])
def test_any_caption_fits_the_width(words: str) -> None:
    page = np.asarray(captioned(Image.new("RGB", (300, 40), "red"), words, [words]))
    assert page.shape[1] == 348
    assert (page[:, :20] == 255).all()
    assert (page[:, -20:] == 255).all()
    assert (page[-12:] == 255).all()
    red = (page == (255, 0, 0)).all(2)
    assert red.sum() == 300 * 40


def test_the_confusion_picture_shows_shares_of_the_true_class() -> None:
    picture = confusion_picture(np.array([[3, 1], [0, 0]]), side=10)
    assert picture.size == (10, 10)
    table, cells = colormap("viridis"), np.asarray(picture)[::5, ::5]
    np.testing.assert_array_equal(cells[0], table[[191, 64]])
    np.testing.assert_array_equal(cells[1], table[[0, 0]])
