"""core.outcomes: mistakes, intervals and calibration against counting by hand; what is kept comes back."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.shapes import make_shapes
from core.errors import DataError
from core.evaluation import evaluate
from core.model import AlexNet
from core.outcomes import Outcomes, calibration, judge, wilson_interval

CAT, DOG, FROG = 0, 1, 2
#            true  said of cat, dog, frog
SAID = [
    (CAT, (0.90, 0.06, 0.04)),
    (CAT, (0.30, 0.60, 0.10)),
    (CAT, (0.02, 0.95, 0.03)),
    (DOG, (0.10, 0.80, 0.10)),
    (DOG, (0.00, 0.00, 1.00)),
]


@pytest.fixture
def outcomes() -> Outcomes:
    """Five images, none of a frog."""
    labels, probabilities = zip(*SAID, strict=True)
    return Outcomes(np.array(labels), np.array(probabilities, np.float32), ("cat", "dog", "frog"), "abc")


def test_counts_and_losses_are_those_of_each_image(outcomes: Outcomes) -> None:
    assert len(outcomes) == 5
    assert outcomes.predictions.tolist() == [CAT, DOG, DOG, DOG, FROG]
    assert outcomes.correct.tolist() == [True, False, False, True, False]
    assert outcomes.confusion.tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 0]]
    assert outcomes.accuracy == pytest.approx(2 / 5)
    assert outcomes.per_class_accuracy[:2] == pytest.approx([1 / 3, 1 / 2])
    assert np.isnan(outcomes.per_class_accuracy[FROG])
    assert outcomes.losses[:4] == pytest.approx([-math.log(p) for p in (0.9, 0.3, 0.02, 0.8)], rel=1e-6)
    assert outcomes.losses[4] == pytest.approx(87.3, abs=0.05), "no probability at all still has an order"


def test_a_cell_holds_its_images_worst_first(outcomes: Outcomes) -> None:
    assert outcomes.select(CAT, DOG).tolist() == [2, 1]
    assert outcomes.select(CAT).tolist() == [2, 1, 0]
    assert outcomes.select(predicted=DOG).tolist() == [2, 1, 3]
    assert outcomes.select(wrong=True).tolist() == [4, 2, 1]
    assert outcomes.select(CAT, wrong=True, by="confidence").tolist() == [2, 1]
    assert outcomes.select(by="confidence").tolist() == [4, 2, 0, 3, 1]
    assert outcomes.select(FROG).tolist() == []


def test_wilson_intervals_are_the_published_ones(outcomes: Outcomes) -> None:
    low, high = wilson_interval(np.array([0, 10, 81]), np.array([10, 10, 263]))
    # 81 of 263 is the example of Newcombe (1998), Statistics in Medicine 17, table I
    assert low == pytest.approx([0.0, 0.7225, 0.2553], abs=5e-5)
    assert high == pytest.approx([0.2775, 1.0, 0.3662], abs=5e-5)
    low, high = outcomes.per_class_interval()
    assert (low[FROG], high[FROG]) == (0, 1), "nothing is known of a class without images"
    assert 0 <= low[CAT] < 1 / 3 < high[CAT] <= 1


def test_calibration_is_that_of_a_hand_computation(outcomes: Outcomes) -> None:
    # Bins of 0.2. (0.4, 0.6]: the 0.6 that is wrong. (0.6, 0.8]: the 0.8 that is right.
    # (0.8, 1]: 0.9 right, 0.95 and 1 wrong. ECE = 1/5 |0.6 - 0| + 1/5 |0.8 - 1| + 3/5 |0.95 - 1/3|
    # In float64, for 0.6 in float32 lies above 0.6.
    found = calibration(replace(outcomes, probabilities=outcomes.probabilities.astype(np.float64).round(6)), bins=5)
    assert found.counts.tolist() == [0, 0, 1, 1, 3]
    assert found.confidence[2:] == pytest.approx([0.6, 0.8, 0.95])
    assert found.accuracy[2:] == pytest.approx([0, 1, 1 / 3])
    assert np.isnan(found.confidence[:2]).all()
    assert found.ece == pytest.approx(0.6 / 5 + 0.2 / 5 + 3 / 5 * (0.95 - 1 / 3))
    assert found.bias == pytest.approx((0.6 + 0.8 + 0.9 + 0.95 + 1) / 5 - 2 / 5), "it is surer than it should be"
    assert found.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_a_network_that_keeps_its_word_has_no_calibration_error() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    kept = Outcomes(labels, np.tile(np.float32([0.8, 0.2]), (10, 1)), ("cat", "dog"))
    assert calibration(kept).ece == pytest.approx(0, abs=1e-6)
    boast = replace(kept, probabilities=np.tile(np.float32([1.0, 0.0]), (10, 1)))
    assert calibration(boast).ece == pytest.approx(0.2)
    assert calibration(boast).counts.tolist() == [0] * 14 + [10]


def test_what_is_kept_comes_back(outcomes: Outcomes, tmp_path: Path) -> None:
    path = tmp_path / "derived" / "outcomes-test.npz"
    outcomes.save(path)
    found = Outcomes.load(path)
    assert found is not None
    assert (found.class_names, found.images) == (outcomes.class_names, "abc")
    np.testing.assert_array_equal(found.labels, outcomes.labels)
    np.testing.assert_array_equal(found.probabilities, outcomes.probabilities)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_damaged_or_does_not_fit_counts_as_none(outcomes: Outcomes, tmp_path: Path) -> None:
    path = tmp_path / "outcomes-test.npz"
    assert Outcomes.load(path) is None
    outcomes.save(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"text", whole.replace(np.float32(0.95).tobytes(), b"\0\0\0\0")):
        path.write_bytes(damaged)
        assert Outcomes.load(path) is None
    for unfit in (
        replace(outcomes, labels=np.array([0, 1, 2, 3, 0])),
        replace(outcomes, labels=outcomes.labels[:4]),
        replace(outcomes, class_names=("cat", "dog")),
    ):
        unfit.save(path)
        assert Outcomes.load(path) is None


def test_judging_is_what_an_evaluation_counts() -> None:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(1))
    model.fc8.weight.mul_(20)
    images, _ = make_shapes(12, 1, seed=0)
    model.class_names = images.class_names
    heard: list[int] = []
    found, expected = judge(model, images, heard.append), evaluate(model, images)
    assert heard == [12]
    assert found.images == images.fingerprint()
    assert found.losses.mean() == pytest.approx(expected.loss, rel=1e-5)
    assert found.accuracy == pytest.approx(expected.accuracy)
    np.testing.assert_array_equal(found.confusion, expected.confusion)
    with pytest.raises(DataError, match="choose images of the data that it was trained on"):
        judge(model, replace(images, class_names=tuple("abcdefghij")))
    with pytest.raises(DataError, match="no image"):
        judge(model, images.select(torch.empty(0, dtype=torch.int64)))
