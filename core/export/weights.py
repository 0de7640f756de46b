"""The weights as one plain safetensors file.

    from safetensors import safe_open
    with safe_open("weights.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        class_names = json.loads(file.metadata()["class_names"])
    model.load_state_dict(weights)

where `model` is core.AlexNet, or any network whose layers have these names (conv1 to fc8) and shapes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from core.errors import ExportError
from core.export.files import whole
from core.model.alexnet import AlexNet
from core.runs.checkpoints import Checkpoint


def about(checkpoint: Checkpoint) -> dict[str, str]:
    """Where weights come from and what they take, as the metadata of a file: text, JSON where it has parts."""
    return {
        "run_id": checkpoint.run.id,
        "checkpoint": checkpoint.name,
        "weights_sha256": checkpoint.fingerprint,
        "class_names": json.dumps(checkpoint.class_names, ensure_ascii=False),
        "input_spec": json.dumps(asdict(checkpoint.input_spec)),
        "lrn_alpha": str(checkpoint.lrn_alpha),
    }


def export_weights(checkpoint: Checkpoint, model: AlexNet, path: Path) -> None:
    """Write the state dict of `model` (float32; packed weights are expanded) with `about` as metadata.

    Raises ExportError where the file can't be written.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with whole(path) as temporary:
        try:
            save_file(weights, temporary, about(checkpoint))
        except SafetensorError as error:
            raise ExportError(f"{path} can't be written: {error}.") from error
