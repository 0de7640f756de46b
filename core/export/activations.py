"""Raw activations as npz: to the bit what the Feature maps page shows.

with np.load("activations.npz") as file:
    maps = file["conv3_relu"]  # float32, 384 x 13 x 13
    print(file["image"], file["run_id"], file["layers"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.export.files import whole
from core.export.weights import about
from core.files import save_arrays
from core.inspection.feature_maps import FeatureMaps
from core.runs.checkpoints import Checkpoint


def export_activations(checkpoint: Checkpoint, maps: Sequence[FeatureMaps], image: str, path: Path) -> None:
    """Write each of `maps` as the array "<layer>_<stage>" (float32, C x H x W), and where they come from as text.

    "image": its name. "layers", "stages": of the maps, in order. The rest: as core.export.weights.about.
    Raises ExportError where the file can't be written.
    """
    arrays = {f"{found.layer}_{found.stage}": found.values for found in maps}
    text: dict[str, str | list[str]] = {
        "image": image,
        "layers": [found.layer for found in maps],
        "stages": [found.stage for found in maps],
        **about(checkpoint),
    }
    write_arrays(path, arrays | {name: np.array(value, dtype=str) for name, value in text.items()})


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write `arrays` as compressed npz without pickle. Raises ExportError where the file can't be written."""
    with whole(path) as temporary:
        save_arrays(temporary, arrays, compress=True)
