"""Several runs that differ in the values of some settings: a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from core.config import OPTIONAL, TrainConfig, make_config
from core.errors import ConfigError
from core.runs.names import new_run_id

VARIED = (
    "learning_rate", "batch_size", "optimizer", "schedule", "warmup", "num_epochs", "weight_decay", "dropout",
    "label_smoothing", "clip_norm", "flip", "crop_padding", "cutout", "cutmix", "progressive", "average_decay",
    "normalize", "lrn_alpha", "whitening", "train_limit", "seed",
)  # fmt: skip
MOST_RUNS = 24


def variations(config: TrainConfig, values: Mapping[str, str]) -> dict[str, TrainConfig]:
    """Every combination of the values to try, by what tells it apart, such as `lr-0.001_dropout-0.2`.

    values: per field its values as text, with commas, semicolons or spaces between; a field without any stays as it is.
    Raises ConfigError for a value that the field can't have or that stands there twice, and for more than MOST_RUNS.
    """
    words = {name: re.findall(r"[^\s,;]+", text.lower()) for name, text in values.items()}
    lists = {name: found for name, found in words.items() if found}
    combinations = [dict(zip(lists, combination, strict=True)) for combination in product(*lists.values())]
    if len(combinations) > MOST_RUNS:
        raise ConfigError(f"These values make {len(combinations)} runs; at most {MOST_RUNS} can be started at a time.")
    found = {}
    for combination in combinations:
        given = {name: None if name in OPTIONAL and value == "all" else value for name, value in combination.items()}
        varied = make_config(**{**config.to_json(), **given})
        found["_".join(f"{_short(name)}-{_plain(getattr(varied, name))}" for name in lists)] = varied
    if len(found) < len(combinations):
        raise ConfigError("A value stands there twice: name each once.")
    return found


def named(configs: Mapping[str, TrainConfig], runs_dir: Path, name: str | None) -> list[tuple[str | None, TrainConfig]]:
    """What `variations` found, each with the name that its run is to have; None leaves it to the preset and the time.

    name: how all these names begin.
    """
    if list(configs) == [""]:
        return [(name, configs[""])]
    return [(f"{name or new_run_id(runs_dir, config)}-{suffix}", config) for suffix, config in configs.items()]


def _short(name: str) -> str:
    """As people write it beside a number: lr of learning_rate, dropout of dropout."""
    return "".join(word[0] for word in name.split("_")) if "_" in name else name


def _plain(value: object) -> str:
    """As part of a run's name."""
    return "all" if value is None else str(value).lower()
