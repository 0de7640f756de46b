"""core.export.weights: the plain state dict, with what it takes to use it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open

from core.export.weights import export_weights
from core.model.alexnet import AlexNet
from core.runs.checkpoints import Checkpoint, find_checkpoint, load_model, open_model
from core.runs.run import Run


def test_another_network_loads_them_without_this_project_s_reader(
    checkpoint: Checkpoint, model: AlexNet, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    export_weights(checkpoint, model, path)
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open isn't iterable
        metadata = file.metadata()
    assert json.loads(metadata["class_names"]) == ["circle", "cross", "star"]
    assert json.loads(metadata["input_spec"])["image_size"] == checkpoint.input_spec.image_size
    assert float(metadata["lrn_alpha"]) == checkpoint.lrn_alpha
    assert metadata["run_id"] == "trained"
    assert metadata["weights_sha256"] == checkpoint.fingerprint
    other = AlexNet(3)
    other.load_state_dict(weights)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), model.parameters(), strict=True))
    path.unlink()


def test_the_factors_of_a_packed_run_are_multiplied_out(packed_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    found = find_checkpoint(packed_run)
    export_weights(found, open_model(found), path)
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("fc6.weight").shape == (4096, 9216)
        assert file.get_tensor("fc6.weight").dtype == torch.float32
        assert torch.equal(file.get_tensor("fc6.weight"), load_model(packed_run).fc6.weight)
    path.unlink()
