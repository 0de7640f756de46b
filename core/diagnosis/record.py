"""What a run's metrics hold for whoever judges its training, read once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.config import TrainConfig, make_config
from core.errors import RunError
from core.runs.differences import differing_settings
from core.runs.layer_statistics import RELU_LAYERS
from core.runs.metrics import MetricsReader, RateChange
from core.runs.run import Run, RunState
from core.runs.snapshots import read_snapshot, snapshot_epochs

_FEWEST_STEPS, _FEWEST_IMAGES = 20, 500  # that a loss is averaged over
_DEAD = 0.5  # share of a layer's channels
_DECISIVE = (  # settings that decide whether a network learns at all
    "optimizer", "learning_rate", "schedule", "warmup", "batch_size", "weight_decay", "clip_norm", "dropout",
    "label_smoothing", "normalize", "lrn_alpha",
)  # fmt: skip
_OF_EPOCHS = {"epoch", "step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_confusion"}


def loss_window(config: TrainConfig) -> int:
    """Over so many steps a loss is averaged before it is said: small batches are noisy."""
    return max(_FEWEST_STEPS, math.ceil(_FEWEST_IMAGES / config.batch_size))


@dataclass(frozen=True)
class Record:
    """steps, losses: of each logged step, float64; at least `window`, of a finished run one.

    epochs: as MetricsReader gives them. change: how somebody last changed the learning rate by hand, with factor 1
    where nobody did.
    """

    run: Run
    config: TrainConfig
    state: RunState
    steps: np.ndarray
    losses: np.ndarray
    epochs: list[dict[str, Any]]
    class_names: tuple[str, ...]
    num_steps: int
    change: RateChange

    @property
    def is_finished(self) -> bool:
        return self.state is RunState.FINISHED

    @property
    def window(self) -> int:
        """loss_window of its settings."""
        return loss_window(self.config)

    @cached_property
    def means(self) -> np.ndarray:
        """The mean loss of each `window` logged steps in a row, float64."""
        sums = np.cumsum(np.insert(self.losses, 0, 0.0))
        found: np.ndarray = (sums[self.window :] - sums[: -self.window]) / self.window
        return found

    @property
    def is_falling(self) -> bool:
        """Whether the loss is lower than it was two windows ago."""
        return bool(self.means[-1] < 0.95 * self.means[-1 - min(2 * self.window, len(self.means) - 1)])

    @cached_property
    def guessing(self) -> float:
        """The loss of a network that knows no more than how frequent the classes are, nats.

        Validation tells how frequent, unless a limit made it balanced: then all count as equally frequent.
        """
        if self.config.val_limit is None and self.epochs and (counts := self.confusion.sum(1)).any():
            shares = counts[counts > 0] / counts.sum()
            return float(-(shares * np.log(shares)).sum())
        return math.log(len(self.class_names))

    @property
    def is_guessing(self) -> bool:
        """Whether the loss is no better than that now."""
        return bool(self.means[-1] > 0.97 * self.guessing)

    @property
    def warmup_steps(self) -> float:
        """Steps in which the schedule raises the learning rate."""
        return 0.0 if self.config.schedule == "constant" else self.config.warmup * self.num_steps

    @cached_property
    def confusion(self) -> np.ndarray:
        """Of the latest epoch, counts: true class x predicted class."""
        return np.array(self.epochs[-1]["val_confusion"])

    @property
    def accuracy_error(self) -> float:
        """Largest standard error that an accuracy on the validation images can have, 0..0.5."""
        return math.sqrt(0.25 / max(self.confusion.sum(), 1))

    def of_epochs(self, name: str) -> np.ndarray:
        """One figure of all epochs, float64."""
        return np.array([record[name] for record in self.epochs], dtype=float)

    @cached_property
    def silent(self) -> dict[str, float]:
        """Of each conv layer the share of channels that say nothing, by the latest snapshot; empty where none tells."""
        epochs = snapshot_epochs(self.run)
        try:
            layers = read_snapshot(self.run, epochs[-1]).layers if epochs else None
        except RunError:  # a damaged snapshot: what the losses show stands without it
            layers = None
        shares = zip(RELU_LAYERS, layers.silent.tolist(), strict=True) if layers else ()
        return {layer: share for layer, share in shares if layer.startswith("conv")}

    @property
    def is_dead(self) -> bool:
        """Whether a layer says nothing at all: what comes after sees no image, what comes before gets no gradient."""
        return 1.0 in self.silent.values()

    def dead_layers(self) -> str:
        """The layers that hardly answer any more; a sentence after others, or nothing."""
        dead = [f"{share:.0%} of {layer}" for layer, share in self.silent.items() if share >= _DEAD]
        return f" Channels that are zero everywhere in the latest snapshot: {', '.join(dead)}." if dead else ""

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
    """From a polled reader; None before there are enough steps or an end, and of a run that failed: that says why.

    Raises RunError where the run's settings can't be read.
    """
    config, state, names = run.config, run.state, tuple(run.data.get("class_names", ()))
    columns = reader.steps("step", "loss")
    whole = np.isfinite(columns["loss"])  # a line may lack its loss
    steps, losses = columns["step"][whole], columns["loss"][whole]
    epochs = [record for record in reader.epochs() if record.keys() >= _OF_EPOCHS]
    change = (reader.rate_changes() or [RateChange(0, 1.0)])[-1]
    record = Record(run, config, state, steps, losses, epochs, names, run.progress.num_steps, change)
    is_enough = len(losses) >= record.window or (record.is_finished and len(losses) > 0)
    return record if is_enough and len(names) >= 2 and state is not RunState.FAILED else None
