"""core.history: images that were learnt and forgotten, over the snapshots of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.config import make_config
from core.history import History, read_history
from core.outcomes import Outcomes
from core.runs.run import Run, create_run
from core.runs.snapshots import Pinned, Snapshot, write_pinned, write_snapshot

EPOCHS = (1, 2, 3, 5)
CORRECT = [
    "++++",  # 0: from the start
    ".+++",  # 1: from epoch 2
    "+.++",  # 2: forgotten once, correct again
    "++..",  # 3: forgotten for good
    "....",  # 4: never
    "+.+.",  # 5: forgotten twice
    "...+",  # 6: last
]
NAMES = ("cat", "dog")


@pytest.fixture
def history() -> History:
    """Image i has the true class 0, and gets it with a probability of 0.9 - i/100 or 0.3 - i/100."""
    right = np.array([[sign == "+" for sign in signs] for signs in CORRECT])
    labels = np.zeros(len(CORRECT), np.int64)
    outcomes = []
    for column in right.T:
        truth = np.where(column, 0.9, 0.3) - np.arange(len(CORRECT)) / 100
        outcomes.append(Outcomes(labels, np.stack([truth, 1 - truth], 1).astype(np.float32), NAMES))
    return History(EPOCHS, tuple(outcomes))


def test_each_image_has_its_epochs(history: History) -> None:
    assert history.first_correct.tolist() == [1, 2, 1, 1, -1, 1, 5]
    assert history.learnt.tolist() == [1, 2, 3, -1, -1, -1, 5]
    assert history.forgetting_events.tolist() == [0, 0, 1, 1, 0, 2, 0]
    assert history.true_probability(3) == pytest.approx([0.87, 0.87, 0.27, 0.27])


def test_the_groups_begin_with_the_most_telling(history: History) -> None:
    assert history.group("forgotten").tolist() == [5, 3], "of equally long ones the greater loss first"
    assert history.group("never learnt").tolist() == [4]
    assert history.group("learnt last").tolist() == [6, 2, 1, 0]
    assert history.group("unstable").tolist() == [5, 3, 2]


def test_the_shares_are_of_all_images_and_add_up(history: History) -> None:
    shares = {name: (share * len(CORRECT)).round().astype(int).tolist() for name, share in history.shares().items()}
    assert shares == {
        "correct throughout": [4, 3, 2, 3],
        "correct again": [0, 0, 2, 1],
        "forgotten": [0, 2, 1, 2],
        "not yet correct": [3, 2, 2, 1],
    }
    assert sum(history.shares().values()) == pytest.approx(1)


def test_the_nearest_epoch_stands_in(history: History) -> None:
    assert [history.nearest(epoch) for epoch in (0, 3, 4, 9)] == [1, 3, 3, 5]
    assert history.after(3) is history.outcomes[2]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path, make_config(), {}, "a")


def snapshot(run: Run, epoch: int, probabilities: np.ndarray | None) -> None:
    filters = np.zeros((96, 3, 11, 11), np.float32)
    write_snapshot(run, Snapshot(epoch, epoch * 3, filters, np.zeros((1, 2), np.float32), probabilities), {})


def test_it_is_read_from_the_snapshots_of_a_run(run: Run) -> None:
    assert read_history(run, NAMES) is None
    labels = np.array([0, 1, 1])
    write_pinned(run, Pinned(np.zeros((1, 8, 8, 3), np.uint8), np.array([0]), np.array([0]), labels))
    snapshot(run, 0, None)
    assert read_history(run, NAMES) is None, "before the first step nothing is validated"
    snapshot(run, 1, np.float32([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]))
    snapshot(run, 2, np.float32([[0.25, 0.75], [0.25, 0.75], [0.25, 0.75]]))
    found = read_history(run, NAMES)
    assert found is not None
    assert found.epochs == (1, 2)
    assert found.correct.tolist() == [[True, False], [False, True], [True, True]]
    assert found.after(2).confusion.tolist() == [[0, 1], [0, 2]]
    assert found.after(1).class_names == NAMES


def test_a_damaged_snapshot_does_not_hide_the_others(run: Run) -> None:
    write_pinned(run, Pinned(np.zeros((1, 8, 8, 3), np.uint8), np.array([0]), np.array([0]), np.array([0])))
    for epoch in (1, 2):
        snapshot(run, epoch, np.float32([[0.75, 0.25]]))
    for epoch, kept in ((1, (2,)), (2, None)):
        (path,) = (run.path / "snapshots").glob(f"epoch-*{epoch}.*")
        path.write_bytes(path.read_bytes()[:-40])
        found = read_history(run, NAMES)
        assert (found and found.epochs) == kept


def test_an_epoch_of_other_images_is_left_out(run: Run) -> None:
    write_pinned(run, Pinned(np.zeros((1, 8, 8, 3), np.uint8), np.array([0]), np.array([0]), np.array([0])))
    snapshot(run, 1, np.float32([[0.75, 0.25], [0.5, 0.5]]))
    assert read_history(run, NAMES) is None
