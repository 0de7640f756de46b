"""Where runs and data lie; both can be moved by an environment variable."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def runs_dir() -> Path:
    """The folder of run folders: ALEXNET_RUNS_DIR, or the project's checkpoints/."""
    return Path(os.environ.get("ALEXNET_RUNS_DIR") or ROOT / "checkpoints")


def data_dir() -> Path:
    """Downloads and caches: ALEXNET_DATA_DIR, or the project's data/."""
    return Path(os.environ.get("ALEXNET_DATA_DIR") or ROOT / "data")
