"""When each validation image was learnt and forgotten, from what the epochs of a training left behind."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from core.errors import RunError
from core.outcomes import Outcomes
from core.runs.run import Run
from core.runs.snapshots import read_pinned, read_snapshot, validated_epochs

Group = Literal["forgotten", "never learnt", "learnt last", "unstable"]


@dataclass(frozen=True)
class History:
    """What the network said of the N validation images after each of E epochs.

    epochs: ascending, at least one. outcomes: one for each epoch, all of the same images.
    """

    epochs: tuple[int, ...]
    outcomes: tuple[Outcomes, ...]

    @cached_property
    def correct(self) -> np.ndarray:
        """Which images were classified correctly, bool, N x E."""
        return np.stack([outcomes.correct for outcomes in self.outcomes], axis=1)

    def nearest(self, epoch: int) -> int:
        """The epoch nearest to `epoch` that is kept, the earlier of two."""
        return min(self.epochs, key=lambda kept: (abs(kept - epoch), kept))

    def after(self, epoch: int) -> Outcomes:
        """What the network said after that epoch, one of `epochs`."""
        return self.outcomes[self.epochs.index(epoch)]

    @property
    def first_correct(self) -> np.ndarray:
        """The epoch after which each image was first correct, int64, N; -1 where it never was."""
        return np.where(self.correct.any(1), np.array(self.epochs)[self.correct.argmax(1)], -1)

    @property
    def learnt(self) -> np.ndarray:
        """The epoch after which each image was correct and stayed so to the end, int64, N; -1 where it ends wrong."""
        stays = np.logical_and.accumulate(self.correct[:, ::-1], axis=1)[:, ::-1]
        return np.where(self.correct[:, -1], np.array(self.epochs)[stays.argmax(1)], -1)

    @property
    def forgetting_events(self) -> np.ndarray:
        """How often each image went from correct to wrong, int64, N (Toneva et al. 2019, here between kept epochs)."""
        found: np.ndarray = (self.correct[:, :-1] & ~self.correct[:, 1:]).sum(1)
        return found

    def shares(self) -> dict[str, np.ndarray]:
        """The share of the images in each state after each epoch: 0..1, float64, E each; they add up to 1.

        "correct throughout": since they were first correct. "correct again": forgotten in between. "forgotten": wrong,
        though they were correct once. "not yet correct": they never were.
        """
        ever = np.logical_or.accumulate(self.correct, axis=1)
        lapsed = np.logical_or.accumulate(ever & ~self.correct, axis=1)
        states = {
            "correct throughout": self.correct & ~lapsed,
            "correct again": self.correct & lapsed,
            "forgotten": ever & ~self.correct,
            "not yet correct": ~ever,
        }
        return {name: members.mean(0) for name, members in states.items()}

    def group(self, name: Group) -> np.ndarray:
        """Positions of the images of a group, int64, the most telling first, of equal ones those of greater loss.

        "forgotten": wrong at the end though correct before, those correct longest first. "never learnt": never correct.
        "learnt last": correct at the end, those that became so last first. "unstable": forgotten at least once, those
        forgotten most often first.
        """
        correct_epochs, ends_correct = self.correct.sum(1), self.correct[:, -1]
        members, worth = {
            "forgotten": (~ends_correct & (correct_epochs > 0), correct_epochs),
            "never learnt": (correct_epochs == 0, correct_epochs),
            "learnt last": (ends_correct, self.learnt),
            "unstable": (self.forgetting_events > 0, self.forgetting_events),
        }[name]
        order = np.lexsort((-self.outcomes[-1].losses, -worth))
        found: np.ndarray = order[members[order]]
        return found

    def true_probability(self, index: int) -> np.ndarray:
        """The probability that image `index` had its true class after each epoch, float32, E."""
        label = self.outcomes[0].labels[index]
        return np.array([outcomes.probabilities[index, label] for outcomes in self.outcomes])


def read_history(run: Run, class_names: tuple[str, ...]) -> History | None:
    """From the snapshots of `run`, damaged ones left out; None where there is none. Raises RunError."""
    epochs = validated_epochs(run)
    if not epochs:
        return None
    labels = read_pinned(run).val_labels
    kept = {}
    for epoch in epochs:
        with contextlib.suppress(RunError):  # a damaged epoch must not hide the others
            found = read_snapshot(run, epoch).probabilities
            if found is not None and found.shape == (len(labels), len(class_names)):
                kept[epoch] = Outcomes(labels, found, class_names)
    return History(tuple(kept), tuple(kept.values())) if kept else None
