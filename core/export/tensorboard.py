"""A run as TensorBoard event files: tensorboard --logdir FOLDER

    train/  loss, accuracy, learning_rate, gradient_norm, images_per_second, for each logged step
    val/    loss, accuracy and the confusion matrix as a picture for each epoch; for each that left a snapshot what acts
            of conv1's filters, and what the numbers in the layers were like

Both under the number of the training step, so that TensorBoard draws training and validation into one chart.
"""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ExportError
from core.export.files import whole
from core.export.pictures import confusion_picture, enlarged
from core.export.settings import setting_rows
from core.files import new_folder
from core.inspection.filters import filter_sheet
from core.model.alexnet import InputSpec
from core.progress import OnProgress, no_progress
from core.runs.layer_statistics import KINDS, LAYERS, RELU_LAYERS, LayerStatistics
from core.runs.metrics import MetricsReader
from core.runs.run import Run
from core.runs.snapshots import read_snapshot, snapshot_epochs

_SCALARS = ("loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second")
_FILTERS_SIDE = 440


def export_tensorboard(run: Run, path: Path, progress: OnProgress = no_progress) -> None:
    """Write the folders train and val into a new folder `path`, or into an archive where its name ends in .zip.

    Wall times are the run's start plus the seconds of training: the pauses between attempts are left out.
    Raises ExportError where tensorboard is missing, there is nothing to write yet, or `path` can't be used or is a
    folder already; RunError for a damaged snapshot.
    """
    reader = MetricsReader(run.path)
    if not len(reader.steps()["step"]):
        raise ExportError(f"Run {run.id!r} has logged no step yet; try again a little later.")
    with _destination(path) as folder:
        _write_steps(run, reader, folder / "train", progress)
        _write_epochs(run, reader, folder / "val", progress)


@contextlib.contextmanager
def _destination(path: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `path` or a zip of that name."""
    if path.suffix.lower() == ".zip":
        with whole(path) as archive, tempfile.TemporaryDirectory() as name:
            yield Path(name)
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
                for file in sorted(file for file in Path(name).rglob("*") if file.is_file()):
                    packed.write(file, Path(path.stem) / file.relative_to(name))
        return
    if path.exists():
        raise ExportError(f"{path} exists already: give the name of a folder that doesn't, or of a .zip file.")
    try:
        with new_folder(path) as folder:
            yield folder
    except OSError as error:
        raise ExportError(f"{path} can't be used: {error.strerror or error}.") from error


def _write_steps(run: Run, reader: MetricsReader, folder: Path, progress: OnProgress) -> None:
    steps, started = reader.steps(), _started(run)
    count = len(steps["step"])
    with _writer(run, folder) as writer:
        writer.add_text("settings", _settings(run), 0, started)
        for i, step in enumerate(steps["step"]):
            for tag in _SCALARS:
                if np.isfinite(steps[tag][i]):
                    writer.add_scalar(tag, steps[tag][i], int(step), started + steps["seconds"][i])
            if i % 1000 == 0:
                progress(i, count, f"Step {int(step):,}")


def _write_epochs(run: Run, reader: MetricsReader, folder: Path, progress: OnProgress) -> None:
    started, epochs = _started(run), reader.epochs()
    steps, seconds = (np.concatenate([[0], column]) for column in reader.steps("step", "seconds").values())
    with _writer(run, folder) as writer:
        for record in epochs:
            at = record["step"], started + record["seconds"]
            writer.add_scalar("loss", record["val_loss"], *at)
            writer.add_scalar("accuracy", record["val_accuracy"], *at)
            picture = np.asarray(confusion_picture(np.array(record["val_confusion"])))
            writer.add_image("confusion", picture, *at, dataformats="HWC")
        kept = snapshot_epochs(run)
        image_size = run.data.get("image_size", InputSpec.image_size)
        for done, epoch in enumerate(kept):
            progress(done, len(kept), f"Filters of epoch {epoch}")
            snapshot = read_snapshot(run, epoch)
            at = snapshot.step, started + float(np.interp(snapshot.step, steps, seconds))
            picture = np.asarray(enlarged(filter_sheet(snapshot.filters, image_size), _FILTERS_SIDE))
            writer.add_image("filters/conv1", picture, *at, dataformats="HWC")
            if snapshot.layers is not None:
                _write_layers(writer, snapshot.layers, *at)
    progress(1, 1, "Done")


def _write_layers(writer: Any, found: LayerStatistics, step: int, at: float) -> None:
    for index, layer in enumerate(LAYERS):
        for kind, rms in zip(KINDS, found.rms[:, index], strict=True):
            writer.add_scalar(f"{kind}_rms/{layer}", rms, step, at)
    for name in ("zeros", "silent"):
        for layer, share in zip(RELU_LAYERS, getattr(found, name), strict=True):
            writer.add_scalar(f"{name}/{layer}", share, step, at)


@contextlib.contextmanager
def _writer(run: Run, folder: Path) -> Iterator[Any]:
    """A SummaryWriter; its file is renamed after the run, for TensorBoard would put the computer's name into it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ExportError(
            "TensorBoard event files need the package tensorboard: python -m pip install tensorboard"
        ) from error
    with SummaryWriter(str(folder)) as writer:
        yield writer
    for file in folder.iterdir():
        file.rename(folder / f"events.out.tfevents.{int(_started(run))}.{run.id}")


def _started(run: Run) -> float:
    """Seconds since 1970."""
    started = run.environment.get("started")
    return float(started) if isinstance(started, int | float) else (run.path / "config.json").stat().st_mtime


def _settings(run: Run) -> str:
    """A Markdown table."""
    rows = [f"| {name} | {value} |" for name, value, _ in setting_rows(run.config)]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])
