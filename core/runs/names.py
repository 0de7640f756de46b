"""How runs may be called: a name is that of the run's folder, on every system."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from core.config import TrainConfig
from core.errors import RunError

RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_run_id(run_id: str) -> str:
    """`run_id` itself. Raises RunError where it is no plain folder name."""
    if run_id.partition(".")[0] in _WINDOWS_DEVICES:
        raise RunError(f"{run_id[:80]!r} can't name a run: on Windows it stands for a device. Add a word to it.")
    if not RUN_ID.fullmatch(run_id) or run_id.endswith("."):
        raise RunError(
            f"{run_id[:80]!r} can't name a run: use 1 to 64 lower-case letters, digits, dots, dashes or underscores, "
            "beginning with a letter or digit."
        )
    return run_id


def check_new_run_id(runs_dir: Path, run_id: str) -> None:
    """Raises RunError where `run_id` is no plain folder name, or is taken."""
    if os.path.lexists(runs_dir / check_run_id(run_id)):
        raise RunError(f"{run_id!r} exists already in {runs_dir}: choose another name, or resume that run.")


def new_run_id(runs_dir: Path, config: TrainConfig) -> str:
    """Preset and start time, such as `laptop-2026-03-01-1407`; numbered where that is taken."""
    stem = f"{config.preset}-{datetime.now():%Y-%m-%d-%H%M}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(name for name in names if not (runs_dir / name).exists())
