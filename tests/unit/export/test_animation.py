"""core.export.animation: a frame an epoch, all of one size, in both formats."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from core.config import make_config
from core.errors import ExportError
from core.export.animation import export_animation
from core.files import save_arrays, write_json
from core.runs.run import Run, create_run
from core.runs.snapshots import read_pinned, snapshot_file


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
    assert heard == [(0, 3, "Epoch 0"), (1, 3, "Epoch 1"), (2, 3, "Epoch 2"), (3, 3, "Writing"), (3, 3, "Done")]


def test_the_tallest_caption_decides_the_height(trained_run: Run, runs_dir: Path, tmp_path: Path) -> None:
    """The first epoch's verdict is a short name, a later one's is so long that it takes many lines more."""
    run = Run(runs_dir / "odd")
    shutil.copytree(trained_run.path, run.path, ignore=shutil.ignore_patterns("checkpoints", "derived"))
    data = json.loads((run.path / "data.json").read_text(encoding="utf-8"))
    heights = {}
    for long_epoch in (0, 1, 2):
        for epoch in (0, 1, 2):
            _say(run, epoch, 1 if epoch == long_epoch else 2)
        write_json(run.path / "data.json", data | {"class_names": ["a", " ".join(["weimaraner"] * 40), "c"]})
        export_animation(run, tmp_path / "film.webp", layer="conv5")
        with Image.open(tmp_path / "film.webp") as film:
            frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
        heights[long_epoch] = len(frames[0])
        ends = [int(np.flatnonzero((frame < 255).any((1, 2)))[-1]) for frame in frames]
        assert ends.index(max(ends)) == long_epoch
        assert max(ends) < heights[long_epoch] - 12, "a margin is left below the last line"
    assert len(set(heights.values())) == 1


def _say(run: Run, epoch: int, prediction: int) -> None:
    """Let the snapshot of `epoch` take every pinned image for that class."""
    path = snapshot_file(run, epoch)
    with np.load(path) as file:
        arrays = dict(file)
    said = np.eye(3, dtype=np.float32)[[prediction] * len(arrays["pinned_probabilities"])]
    save_arrays(path, arrays | {"pinned_probabilities": said})


def test_another_pinned_image_is_another_film(trained_run: Run, tmp_path: Path) -> None:
    names = read_pinned(trained_run).names
    for name in names[:2]:
        export_animation(trained_run, tmp_path / f"{name}.gif", pinned=name)
    first, second = ((tmp_path / f"{name}.gif").read_bytes() for name in names[:2])
    assert first != second
    with pytest.raises(ExportError, match=f"has the images {names[0]}, .* pinned, not '77'"):
        export_animation(trained_run, tmp_path / "x.gif", pinned="77")


def test_without_snapshots_there_is_nothing_to_animate(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {}, "old")
    with pytest.raises(ExportError, match="Run 'old' kept no snapshots"):
        export_animation(run, tmp_path / "x.gif")
    assert not list(tmp_path.glob("*.gif"))
