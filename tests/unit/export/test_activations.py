"""core.export.activations: to the bit what core computes, readable without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from core.export.activations import export_activations
from core.inspection.feature_maps import feature_maps
from core.model.alexnet import AlexNet
from core.runs.checkpoints import Checkpoint


def test_the_arrays_are_the_maps_to_the_bit(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path: Path
) -> None:
    wanted = [("conv1", "lrn"), ("conv3", "conv"), ("conv5", "pool")]
    maps = [feature_maps(model, picture, layer, stage) for layer, stage in wanted]
    export_activations(checkpoint, maps, "Größe «x».png", tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as file:
        for found, (layer, stage) in zip(maps, wanted, strict=True):
            assert file[f"{layer}_{stage}"].dtype == np.float32
            assert file[f"{layer}_{stage}"].tobytes() == found.values.tobytes()
        assert str(file["image"]) == "Größe «x».png"
        assert file["layers"].tolist() == ["conv1", "conv3", "conv5"]
        assert file["stages"].tolist() == ["lrn", "conv", "pool"]
        assert str(file["run_id"]) == "trained"
        assert str(file["weights_sha256"]) == checkpoint.fingerprint
