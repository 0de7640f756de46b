"""What all viewers share of the snapshots of a run's epochs, bounded."""

from pathlib import Path

import streamlit as st

from core.inspection.feature_maps import FeatureMaps
from core.runs.run import Run
from core.runs.snapshots import Pinned, Snapshot, read_pinned, read_snapshot, read_snapshot_maps, snapshot_file


def pinned(run: Run) -> Pinned:
    """The images whose maps are kept. Raises RunError."""
    return read_pinned(run)


def snapshot(run: Run, epoch: int) -> Snapshot:
    """One epoch without its maps. Raises RunError."""
    return read_snapshot(run, epoch)


def maps(run: Run, epoch: int, layer: str, image: int) -> FeatureMaps:
    """A pinned image's maps after the ReLU. Raises RunError."""
    file = snapshot_file(run, epoch)
    written = file.stat().st_mtime_ns if file.exists() else 0
    return _maps(run.path, epoch, layer, image, written)


@st.cache_resource(max_entries=64, show_spinner=False)  # of conv1 1.2 MB each
def _maps(run_path: Path, epoch: int, layer: str, image: int, written: int) -> FeatureMaps:  # noqa: ARG001 - a key
    return FeatureMaps(layer, "relu", read_snapshot_maps(Run(run_path), epoch, layer, image))
