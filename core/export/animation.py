"""How a network came to be: conv1's filters and a pinned image's feature maps, a frame a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from core.errors import ExportError
from core.export.files import whole
from core.export.pictures import captioned, enlarged, maps_sheet
from core.inspection.evolution import evenly
from core.inspection.feature_maps import FeatureMaps
from core.inspection.filters import filter_sheet
from core.inspection.mosaic import to_levels
from core.progress import OnProgress, no_progress
from core.runs.metrics import MetricsReader
from core.runs.run import Run
from core.runs.snapshots import Pinned, Snapshot, read_pinned, read_snapshot, read_snapshot_maps, snapshot_epochs

FORMATS = (".gif", ".webp")
MAX_FRAMES = 120  # all of them are in memory until they are written
_SIDE = 440  # pixels of width of the filters, and of the maps
_GAP = 24
_FRAME_SECONDS, _LAST_SECONDS = 0.4, 3.0


def export_animation(
    run: Run, path: Path, *, layer: str = "conv1", pinned: str | None = None, progress: OnProgress = no_progress
) -> int:
    """Write an animated GIF or WebP, as the name of `path` says, from the run's snapshots; how many frames it has.

    A frame shows conv1's filters, the pinned image of that name (default: the first) and its maps of `layer`
    after the ReLU, all channels. Of more than 120 snapshots 120 are taken, evenly, the first and the last among them.
    Raises ExportError where the run has no snapshots, no such image, or the file can't be written, RunError for a
    damaged snapshot.
    """
    if path.suffix.lower() not in FORMATS:
        raise ExportError(f"{path.name} is neither a .gif nor a .webp: end its name with one of these.")
    epochs = snapshot_epochs(run)
    if not epochs:
        raise ExportError(
            f"Run {run.id!r} kept no snapshots, so there is nothing to animate; train a run that keeps them."
        )
    images = read_pinned(run)
    if pinned is not None and pinned not in images.names:
        raise ExportError(f"Run {run.id!r} has the images {', '.join(images.names)} pinned, not {pinned!r}.")
    position = 0 if pinned is None else images.names.index(pinned)
    chosen = evenly(epochs, MAX_FRAMES)
    frames = list(_frames(run, chosen, layer, images, position, progress))
    tallest = max(frame.height for frame in frames)  # a longer caption takes a line more
    pages = (ImageOps.expand(frame, (0, 0, 0, tallest - frame.height), "white") for frame in frames)
    progress(len(frames), len(frames), "Writing")
    durations = [round(1000 * _FRAME_SECONDS)] * (len(chosen) - 1) + [round(1000 * _LAST_SECONDS)]
    kind: dict[str, Any] = {"format": "GIF"} if path.suffix.lower() == ".gif" else {"format": "WEBP", "lossless": True}
    with whole(path) as temporary:
        next(pages).save(temporary, save_all=True, append_images=pages, duration=durations, loop=0, **kind)
    progress(len(frames), len(frames), "Done")
    return len(frames)


def _frames(
    run: Run, epochs: Sequence[float], layer: str, pinned: Pinned, position: int, progress: OnProgress
) -> Iterator[Image.Image]:
    reader = MetricsReader(run.path)
    accuracies = {record["epoch"]: record["val_accuracy"] for record in reader.epochs()}
    names = run.data.get("class_names", [])
    for done, epoch in enumerate(epochs):
        progress(done, len(epochs), f"Epoch {epoch}")
        snapshot = read_snapshot(run, epoch)
        maps = FeatureMaps(layer, "relu", read_snapshot_maps(run, epoch, layer, position))
        picture = _side_by_side(snapshot, pinned.images[position], maps)
        title = f"Epoch {epoch}" if epoch else "Before the first step"
        lines = [
            _standing(run, snapshot, accuracies.get(epoch)),
            f"Left: what acts of conv1's {len(snapshot.filters)} filters above {pinned.about(position)}"
            f"{_verdict(snapshot, names, int(pinned.labels[position]), position)}. Right: all {len(maps.values)} "
            f"channels of {layer} for it, after ReLU. Each tile is on its own scale.",
        ]
        yield captioned(picture, title, lines)


def _standing(run: Run, snapshot: Snapshot, accuracy: float | None) -> str:
    judged = "" if accuracy is None else f", validation accuracy {accuracy:.1%}"
    return f"Run {run.id}, step {snapshot.step:,}{judged}."


def _verdict(snapshot: Snapshot, names: list[str], label: int, position: int) -> str:
    """What it is and what the network takes it for, where the classes are known."""
    said = snapshot.pinned_probabilities[position]
    if len(names) != len(said):
        return ""
    return f" ({names[label]}, taken for {names[int(said.argmax())]} with {said.max():.0%})"


def _side_by_side(snapshot: Snapshot, image: np.ndarray, maps: FeatureMaps) -> Image.Image:
    """The filters above the pinned image on the left, the maps on the right, on white."""
    filters = enlarged(filter_sheet(snapshot.filters, len(image)), _SIDE)
    sheet = maps_sheet(to_levels(maps), _SIDE)
    side = max(sheet.height - filters.height - _GAP, 96)
    picture = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
    height = max(filters.height + _GAP + side, sheet.height)
    page = Image.new("RGB", (filters.width + _GAP + sheet.width, height), "white")
    page.paste(filters, (0, 0))
    page.paste(picture, (0, filters.height + _GAP))
    page.paste(sheet, (filters.width + _GAP, 0))
    return page
