"""What all viewers share of the snapshots of a run's epochs, bounded."""

from pathlib import Path

import numpy as np
import streamlit as st

from core.errors import RunError
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import Mosaic, Scale, lay_out, to_levels
from core.runs.layer_statistics import LayerStatistics
from core.runs.run import Run
from core.runs.snapshots import layers_over_time, read_snapshot_maps, snapshot_epochs, snapshot_file


def class_names(run: Run) -> tuple[str, ...]:
    """The classes that labels and probabilities refer to. Raises RunError."""
    names = run.data.get("class_names")
    if not names:
        raise RunError(f"The data.json of run {run.id!r} is missing or damaged: its classes are not known.")
    return tuple(names)


def maps(run: Run, epoch: float, layer: str, image: int) -> FeatureMaps:
    """A pinned image's maps after the ReLU. Raises RunError."""
    return _maps(run.path, epoch, layer, image, _written(run, epoch))


def sheet(run: Run, epoch: float, layer: str, image: int, scale: Scale, fixed: float | None) -> Mosaic:
    """All channels of them as one picture. Raises RunError and InspectionError."""
    return _sheet(run.path, epoch, layer, image, scale, fixed, _written(run, epoch))


@st.cache_resource(max_entries=128, show_spinner=False)
def _sheet(
    run_path: Path, epoch: float, layer: str, image: int, scale: Scale, fixed: float | None, written: int
) -> Mosaic:
    return lay_out(to_levels(_maps(run_path, epoch, layer, image, written), scale, fixed))


def layers(run: Run) -> tuple[np.ndarray, LayerStatistics]:
    """What the numbers in each layer were like, and at which epochs. Raises RunError."""
    return _layers(run.path, written(run))


@st.cache_resource(max_entries=16, show_spinner=False)
def _layers(run_path: Path, written: tuple[int, ...]) -> tuple[np.ndarray, LayerStatistics]:  # noqa: ARG001 - a key
    return layers_over_time(Run(run_path))


def written(run: Run) -> tuple[int, ...]:
    """When each snapshot was written: changes with every new one, and where a resumed run repeats some."""
    return tuple(_written(run, epoch) for epoch in snapshot_epochs(run))


def _written(run: Run, epoch: float) -> int:
    """When the snapshot was written: a resumed run writes one anew."""
    file = snapshot_file(run, epoch)
    return file.stat().st_mtime_ns if file.exists() else 0


@st.cache_resource(max_entries=64, show_spinner=False)  # of conv1 1.2 MB each
def _maps(run_path: Path, epoch: float, layer: str, image: int, written: int) -> FeatureMaps:  # noqa: ARG001 - a key
    return FeatureMaps(layer, "relu", read_snapshot_maps(Run(run_path), epoch, layer, image))
