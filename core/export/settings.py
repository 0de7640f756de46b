"""A run's settings for people: as a table, and as the command that starts the same training."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

from core.config import TrainConfig, make_config


def setting_rows(config: TrainConfig) -> list[tuple[str, str, bool]]:
    """Name, value and whether it differs from the preset's, those that differ first.

    Of a folder only the name: an export goes to others, who need not learn where things lie on this computer.
    """
    rows = [(name, _written(value), differs) for name, (value, differs) in _values(config).items()]
    return sorted(rows, key=lambda row: not row[2])


def train_command(config: TrainConfig) -> str:
    """The command line that starts a training with these settings."""
    words = ["python", "-m", "core", "train", "--preset", config.preset]
    for name, (value, differs) in _values(config).items():
        flag = name.replace("_", "-")
        if differs and isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif differs:
            words += [f"--{flag}", "all" if value is None else _written(value)]
    return command_line(words)


def command_line(words: Sequence[str]) -> str:
    """`words` as they are typed on this system: each quoted where its shell would take it for something else."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _values(config: TrainConfig) -> dict[str, tuple[Any, bool]]:
    """Each setting, and whether the preset has another."""
    preset = make_config(preset=config.preset).to_json()
    values = config.to_json()
    differs = {name: value != preset[name] for name, value in values.items()}
    if config.data_dir is not None:
        values["data_dir"] = config.data_dir.name
    return {name: (value, differs[name]) for name, value in values.items()}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == []:
        return "not set"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
