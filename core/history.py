"""When each validation image was learnt and forgotten, from what the epochs of a training left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.outcomes import Outcomes
from core.runs.run import Run
from core.runs.snapshots import read_pinned, read_snapshot, snapshot_epochs

Group = Literal["forgotten", "never learnt", "learnt last", "unstable"]


@dataclass(frozen=True)
class History:
    """Which of N validation images were classified correctly after each of E epochs.

    correct: bool, N x E. epochs: ascending. latest: the Outcomes after the last of them.
    """

    correct: np.ndarray
    epochs: tuple[int, ...]
    latest: Outcomes

    @property
    def first_correct(self) -> np.ndarray:
        """The epoch after which each image was first correct, int64, N; -1 where it never was."""
        return np.where(self.correct.any(1), np.array(self.epochs)[self.correct.argmax(1)], -1)

    @property
    def learnt(self) -> np.ndarray:
        """The epoch from which on each image stayed correct to the end, int64, N; -1 where it is wrong at the end."""
        since = len(self.epochs) - np.logical_and.accumulate(self.correct[:, ::-1], axis=1).sum(1)
        return np.where(self.correct[:, -1], np.array(self.epochs)[np.minimum(since, len(self.epochs) - 1)], -1)

    @property
    def forgetting_events(self) -> np.ndarray:
        """How often each image went from correct to wrong, int64, N (Toneva et al. 2019, here from epoch to epoch)."""
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
        """Positions of the images of a group, int64, the most telling first.

        "forgotten": wrong at the end though correct before, the longest correct first. "never learnt": never correct,
        the greatest loss first. "learnt last": correct at the end, those that became so last first. "unstable":
        forgotten at least once, the most often first.
        """
        correct_epochs, losses = self.correct.sum(1), self.latest.losses
        at_end = self.correct[:, -1]
        wanted, worth = {
            "forgotten": (~at_end & (correct_epochs > 0), correct_epochs),
            "never learnt": (correct_epochs == 0, losses),
            "learnt last": (at_end, self.learnt),
            "unstable": (self.forgetting_events > 0, self.forgetting_events),
        }[name]
        members = np.flatnonzero(wanted)
        return members[np.lexsort((-losses[members], -worth[members]))]


def read_history(run: Run, class_names: tuple[str, ...]) -> History | None:
    """From the snapshots of `run`; None for a run without any of a finished epoch.

    Raises RunError where a snapshot is damaged.
    """
    if not any(snapshot_epochs(run)):
        return None
    labels = read_pinned(run).val_labels
    snapshots = {epoch: read_snapshot(run, epoch).probabilities for epoch in snapshot_epochs(run)}
    said = {epoch: probabilities for epoch, probabilities in snapshots.items() if probabilities is not None}
    correct = np.stack([probabilities.argmax(1) == labels for probabilities in said.values()], axis=1)
    return History(correct, tuple(said), Outcomes(labels, said[max(said)], class_names))
