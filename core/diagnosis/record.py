"""What a run's metrics hold for whoever judges its training, read once."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.config import TrainConfig, make_config
from core.errors import RunError
from core.runs.differences import differing_settings
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState
from core.runs.snapshots import silent_shares, snapshot_epochs

WINDOW = 20  # steps that a loss is averaged over
_DEAD = 0.5  # share of a layer's channels
_DECISIVE = (  # settings that decide whether a network learns at all
    "optimizer", "learning_rate", "schedule", "warmup", "batch_size", "weight_decay", "clip_norm", "dropout",
    "label_smoothing", "normalize", "lrn_alpha",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """steps, losses: of each logged step, float64, at least WINDOW. epochs: as MetricsReader gives them.

    factor: what somebody made of the schedule's learning rate by hand, 1 where nobody did.
    """

    run: Run
    config: TrainConfig
    steps: np.ndarray
    losses: np.ndarray
    epochs: list[dict[str, Any]]
    class_names: tuple[str, ...]
    num_steps: int
    factor: float
    is_over: bool

    @property
    def guessing(self) -> float:
        """The loss of a network that gives every class the same probability, nats."""
        return math.log(len(self.class_names))

    @cached_property
    def means(self) -> np.ndarray:
        """The mean loss of each WINDOW logged steps in a row, float64."""
        sums = np.cumsum(np.insert(self.losses, 0, 0.0))
        found: np.ndarray = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
        return found

    @property
    def is_guessing(self) -> bool:
        """Whether the loss is no better than that now."""
        return bool(self.means[-1] > 0.97 * self.guessing)

    def of_epochs(self, name: str) -> np.ndarray:
        """One figure of all epochs, float64."""
        return np.array([record[name] for record in self.epochs], dtype=float)

    def dead_layers(self) -> str:
        """The layers that hardly answer any more, from the latest snapshot; a sentence after others, or nothing."""
        epochs = snapshot_epochs(self.run)
        try:
            shares = silent_shares(self.run, epochs[-1]) if epochs else {}
        except RunError:  # a damaged snapshot: what the losses show stands without it
            return ""
        dead = [f"{share:.0%} of {layer}" for layer, share in shares.items() if share >= _DEAD]
        return f" Channels that answer 0 to all pinned images: {', '.join(dead)}." if dead else ""

    def unlike_preset(self) -> str:
        """The decisive settings where the preset has others; a sentence after others, or nothing."""
        preset = make_config(preset=self.config.preset)
        both = {
            name: {field: getattr(config, field) for field in _DECISIVE}
            for name, config in (("preset", preset), ("run", self.config))
        }
        rows = differing_settings(both).itertuples()
        listed = [f"{name.replace('_', ' ')} {own} (there {usual})" for name, usual, own in rows]
        return f" Unlike the preset {self.config.preset}: {', '.join(listed)}." if listed else ""


def read_record(run: Run, reader: MetricsReader) -> Record | None:
    """From a polled reader; None before WINDOW steps, and of a run that failed: its end has a sentence of its own.

    Raises RunError where the run's settings can't be read.
    """
    names, state, changes = tuple(run.data.get("class_names", ())), run.state, reader.rate_changes()
    steps, losses = reader.recent("step", sys.maxsize), reader.recent("loss", sys.maxsize)
    whole = np.isfinite(losses)  # a line may lack its loss
    steps, losses = steps[whole], losses[whole]
    if len(names) < 2 or len(losses) < WINDOW or state is RunState.FAILED:
        return None
    factor = changes[-1].factor if changes else 1.0
    return Record(
        run, run.config, steps, losses, reader.epochs(), names, run.progress.num_steps, factor,
        state is RunState.FINISHED,
    )  # fmt: skip
