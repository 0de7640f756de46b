"""Named sets of training settings."""

from __future__ import annotations

from typing import Any, Literal, get_args

Preset = Literal["smoke", "laptop", "standard", "seed-2021"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
PRESET_HELP: dict[Preset, str] = {
    "smoke": "A first look: 1,000 images, 4 epochs, one to four minutes on two CPU cores.",
    "laptop": "A few CPU cores: all images, 8 epochs, 24 minutes to an hour on two with bfloat16, else two hours.",
    "standard": "One GPU: all images, 200 epochs, with CutMix and averaged weights.",
    "seed-2021": "The settings of the 2021 original: Adam 1e-4, batch 100, 40 epochs, no augmentation.",
}
_LAPTOP: dict[str, Any] = {
    "val_fraction": 0.04, "num_epochs": 8, "batch_size": 128, "optimizer": "muon", "learning_rate": 8e-4,
    "dropout": 0.3, "label_smoothing": 0.1, "progressive": True, "weight_decay": 0.3, "lrn_alpha": 3.0,
}  # fmt: skip
_STANDARD: dict[str, Any] = {
    "val_fraction": 0.04, "num_epochs": 200, "batch_size": 512, "optimizer": "muon", "learning_rate": 1e-3,
    "schedule": "cosine", "warmup": 0.05, "label_smoothing": 0.1, "cutmix": 0.5, "progressive": True,
    "average_decay": 0.998, "checkpoint_epochs": 20, "weight_decay": 0.5, "lrn_alpha": 3.0,
}  # fmt: skip
_SEED_2021: dict[str, Any] = {
    "num_epochs": 40, "batch_size": 100, "optimizer": "adam", "learning_rate": 1e-4, "schedule": "constant",
    "warmup": 0.0, "weight_decay": 0.0, "clip_norm": 0.0, "flip": False, "crop_padding": 0, "normalize": "unit",
    "val_fraction": 0.2, "precision": "float32",
}  # fmt: skip
_SMOKE: dict[str, Any] = {
    "train_limit": 1_000, "val_limit": 200, "num_epochs": 4, "batch_size": 16, "dropout": 0.2,
}  # fmt: skip
_PRESET_VALUES: dict[Preset, dict[str, Any]] = {
    "smoke": _SMOKE, "laptop": _LAPTOP, "standard": _STANDARD, "seed-2021": _SEED_2021,
}  # fmt: skip


def preset_values(preset: Preset) -> dict[str, Any]:
    """The fields that `preset` sets away from the class defaults, the preset's own name included."""
    return {"preset": preset, **_PRESET_VALUES[preset]}
