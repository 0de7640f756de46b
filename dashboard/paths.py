"""Where runs and data lie; both can be moved by an environment variable."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def runs_dir() -> Path:
    """The folder of run folders: checkpoints/, or ALEXNET_RUNS_DIR."""
    return Path(os.environ.get("ALEXNET_RUNS_DIR", ROOT / "checkpoints"))


def data_dir() -> Path:
    """Downloads and caches: data/, or ALEXNET_DATA_DIR."""
    return Path(os.environ.get("ALEXNET_DATA_DIR", ROOT / "data"))
