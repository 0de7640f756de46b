"""Snapshots: what moments of a training leave behind to be looked at, small enough to keep dozens of them.

snapshots/pinned.npz        the pinned images, and the true classes of the validation images; written once
snapshots/epoch-0007.npz    after epoch 7 (0: before the first step): conv1's filters, what the network says
                            of the pinned and of the validation images, and all feature maps of the pinned
                            images after the ReLU, a byte a value, with a scale per image and channel; and what
                            the numbers in each layer are like
snapshots/epoch-0000.25.npz the same after a quarter of the first epoch, in which most changes; without validation

An epoch is a number, whole after epochs, a fraction within the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import RunError
from core.files import load_arrays, remove, save_arrays
from core.runs.layer_statistics import SHAPES, LayerStatistics, stacked
from core.runs.run import Run

MAX_PINNED = 8
_FIRST, _MOST = 10, 40  # epochs of which all are kept, and about how many are in all
_EARLY = (0.0625, 0.125, 0.25, 0.5)  # of the first epoch
_FEWEST_STEPS = 16  # of an epoch that such parts are taken of
PHOTO = -1  # among numbers of test images: the photograph that comes with the project
_FILE = re.compile(r"epoch-(\d{4,}(?:\.\d+)?)\.npz")
_STATISTICS = [f"layers.{name}" for name in LayerStatistics.__dataclass_fields__]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Pinned:
    """images: uint8, P x S x S x 3, RGB. numbers: int64 P, their positions in the test set, or PHOTO. labels: int64 P.

    val_labels: int64 N, the true classes of the validation images in order.
    """

    images: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    val_labels: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """What each is called in a setting and in a link: its number, or photo."""
        return tuple("photo" if number == PHOTO else str(number) for number in self.numbers.tolist())

    def about(self, position: int) -> str:
        """The same in a sentence: test image 42, or the photo."""
        return "the photo" if self.numbers[position] == PHOTO else f"test image {self.numbers[position]:,}"


@dataclass(frozen=True)
class Snapshot:
    """The network after `epoch` epochs, or a fraction of the first, and `step` steps.

    filters: float32, 96 x 3 x 11 x 11, of conv1. pinned_probabilities: float32, P x classes.
    probabilities: float32, N x classes, of the validation images in order; None before the end of
    the first epoch. layers: None in a run of an earlier version.
    """

    epoch: float
    step: int
    filters: np.ndarray
    pinned_probabilities: np.ndarray
    probabilities: np.ndarray | None
    layers: LayerStatistics | None = None


def is_kept(epoch: int, num_epochs: int) -> bool:
    """Whether a snapshot is kept of `epoch`: of the first ten and the last, and of as many between as make 26 to 41."""
    every = math.ceil(max(num_epochs - _FIRST, 1) / (_MOST - _FIRST))
    return epoch <= _FIRST or epoch == num_epochs or epoch % every == 0


def part_of_first_epoch(step: int, steps_per_epoch: int) -> float | None:
    """The part of the first epoch of which a snapshot is kept after `step`; None where none is due."""
    return _parts_of_first_epoch(steps_per_epoch).get(step)


def count_kept(num_epochs: int, steps_per_epoch: int) -> int:
    """How many snapshots a run leaves in all."""
    whole = sum(is_kept(epoch, num_epochs) for epoch in range(num_epochs + 1))
    return whole + len(_parts_of_first_epoch(steps_per_epoch))


def _parts_of_first_epoch(steps_per_epoch: int) -> dict[int, float]:
    """By the step after which each is due."""
    return {round(part * steps_per_epoch): part for part in _EARLY} if steps_per_epoch >= _FEWEST_STEPS else {}


def write_pinned(run: Run, pinned: Pinned) -> None:
    """Keep what all snapshots of `run` refer to."""
    save_arrays(run.path / "snapshots" / "pinned.npz", vars(pinned), compress=True)


def write_snapshot(
    run: Run, snapshot: Snapshot, maps: dict[str, tuple[np.ndarray, np.ndarray]], *, compress: bool = False
) -> None:
    """Keep `snapshot`. maps: a layer's maps (uint8, P x C x H x W) and what 255 stands for (float32, P x C)."""
    arrays: Arrays = {
        "step": np.array(snapshot.step),
        "filters": snapshot.filters.astype(np.float16),
        "pinned_probabilities": snapshot.pinned_probabilities.astype(np.float32),
    }
    if snapshot.probabilities is not None:
        arrays["probabilities"] = snapshot.probabilities.astype(np.float32)  # in 16 bits, close ones would be equal
    if snapshot.layers is not None:
        arrays |= {f"layers.{name}": value for name, value in vars(snapshot.layers).items()}
    for layer, (values, tops) in maps.items():
        for pinned in range(len(values)):  # apart, so that a reader of one image reads no more than that
            arrays |= {f"{layer}.maps.{pinned}": values[pinned], f"{layer}.tops.{pinned}": tops[pinned]}
    save_arrays(snapshot_file(run, snapshot.epoch), arrays, compress=compress)


def snapshot_epochs(run: Run) -> tuple[float, ...]:
    """The epochs that have a snapshot, ascending; none for a run that keeps none."""
    folder = run.path / "snapshots"
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return tuple(sorted(to_epoch(found[1]) for found in map(_FILE.fullmatch, names) if found))


def validated_epochs(run: Run) -> tuple[int, ...]:
    """Those of them after which the network was validated: whole ones, without the untrained network's 0."""
    return tuple(epoch for epoch in snapshot_epochs(run) if isinstance(epoch, int) and epoch > 0)


def to_epoch(text: str) -> float:
    """An epoch as it is written, 7 or 0.25; an int where it is whole. Raises ValueError."""
    return float(text) if "." in text else int(text)


def forget_snapshots_after(run: Run, step: int) -> None:
    """Remove those of later steps: a resumed attempt repeats these, and another one's must not pass for its own."""
    for epoch in snapshot_epochs(run):
        file = snapshot_file(run, epoch)
        found = load_arrays(file, ["step"])
        if found is None or int(found["step"]) > step:  # a damaged one is of no use
            remove(file)


def read_pinned(run: Run) -> Pinned:
    """The pinned images. Raises RunError where they are missing or damaged."""
    return Pinned(**_read(run.path / "snapshots" / "pinned.npz", run, *Pinned.__dataclass_fields__))


def read_snapshot(run: Run, epoch: float) -> Snapshot:
    """One epoch's snapshot without its maps. Raises RunError where it is missing or damaged."""
    names = "step", "filters", "pinned_probabilities"
    found = _read(snapshot_file(run, epoch), run, *names, optional=["probabilities", *_STATISTICS])
    return Snapshot(
        epoch,
        int(found["step"]),
        found["filters"].astype(np.float32),
        found["pinned_probabilities"],
        found.get("probabilities"),
        _statistics(found),
    )


def tells_of_layers(run: Run) -> bool:
    """Whether the newest snapshot says what the numbers in the layers are like; those of earlier versions don't."""
    epochs = snapshot_epochs(run)
    return bool(epochs and _statistics(load_arrays(snapshot_file(run, epochs[-1]), (), _STATISTICS) or {}))


def layers_over_time(run: Run) -> tuple[np.ndarray, LayerStatistics]:
    """The epochs of all snapshots that say it, float64, M, ascending, and what the numbers in the layers were like.

    Damaged snapshots are left out. Raises RunError where none is left.
    """
    found = {epoch: load_arrays(snapshot_file(run, epoch), (), _STATISTICS) for epoch in snapshot_epochs(run)}
    told = {epoch: layers for epoch, arrays in found.items() if (layers := _statistics(arrays or {}))}
    if not told:
        raise RunError(f"The snapshots of run {run.id!r} say nothing of its layers; a new run's do.")
    return np.array([*told], dtype=np.float64), stacked([*told.values()])


def _statistics(found: Arrays) -> LayerStatistics | None:
    """None where the arrays lack one, or are of another form."""
    if not set(_STATISTICS) <= found.keys():
        return None
    statistics = LayerStatistics(*(found[name] for name in _STATISTICS))
    return statistics if statistics.shapes == SHAPES else None


def read_snapshot_maps(run: Run, epoch: float, layer: str, pinned: int) -> np.ndarray:
    """A pinned image's feature maps after the ReLU: float32, C x H x W, within 1/510 of each channel's greatest value.

    Raises RunError where the snapshot is missing or damaged, or holds no such image or layer.
    """
    values, tops = read_snapshot_bytes(run, epoch, layer, pinned)
    maps: np.ndarray = values.astype(np.float32) * (tops / 255)[:, None, None]
    return maps


def read_snapshot_bytes(run: Run, epoch: float, layer: str, pinned: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as they are kept: uint8, C x H x W, and what 255 stands for, float32, C."""
    names = f"{layer}.maps.{pinned}", f"{layer}.tops.{pinned}"
    found = _read(snapshot_file(run, epoch), run, *names)
    return found[names[0]], found[names[1]]


def snapshot_file(run: Run, epoch: float) -> Path:
    """Where the snapshot of `epoch` is kept, if there is one."""
    whole, point, part = str(epoch).partition(".")
    return run.path / "snapshots" / f"epoch-{whole:0>4}{point}{part}.npz"


def _read(path: Path, run: Run, *names: str, optional: Sequence[str] = ()) -> Arrays:
    found = load_arrays(path, names, optional)
    if found is None:
        raise RunError(f"{path.name} of run {run.id!r} is missing or damaged; choose another epoch or image.")
    return found
