"""core.export.animation: a frame an epoch, all of one size, in both formats."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from core.config import make_config
from core.errors import ExportError
from core.export.animation import export_animation
from core.runs.run import Run, create_run
from core.runs.snapshots import read_pinned


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_frame_an_epoch_from_before_the_first_step(trained_run: Run, tmp_path: Path, suffix: str) -> None:
    path, heard = tmp_path / f"film{suffix}", []
    assert export_animation(trained_run, path, layer="conv5", progress=lambda *said: heard.append(said)) == 3
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0
        shown = [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(film)]
    frames, milliseconds = zip(*shown, strict=True)
    assert milliseconds == (400, 400, 3000)
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert all(not np.array_equal(a, b) for a, b in pairwise(frames))
    assert heard == [(0, 3, "Epoch 0"), (1, 3, "Epoch 1"), (2, 3, "Epoch 2"), (3, 3, "Done")]


def test_another_pinned_image_is_another_film(trained_run: Run, tmp_path: Path) -> None:
    numbers = read_pinned(trained_run).numbers.tolist()
    for number in numbers[:2]:
        export_animation(trained_run, tmp_path / f"{number}.gif", pinned=number)
    first, second = ((tmp_path / f"{number}.gif").read_bytes() for number in numbers[:2])
    assert first != second
    with pytest.raises(ExportError, match=f"has the test images {numbers[0]}, .* pinned, not 77"):
        export_animation(trained_run, tmp_path / "x.gif", pinned=77)


def test_without_snapshots_there_is_nothing_to_animate(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {}, "old")
    with pytest.raises(ExportError, match="Run 'old' kept no snapshots"):
        export_animation(run, tmp_path / "x.gif")
    assert not list(tmp_path.glob("*.gif"))
