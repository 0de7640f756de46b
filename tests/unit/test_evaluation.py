"""core.evaluation: counts against a slow way of counting, and the network's mode is put back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.data.augment import shifted
from core.data.images import CIFAR10_CLASSES, ImageSet
from core.data.shapes import make_shapes
from core.errors import DataError
from core.evaluation import Evaluation, Views, evaluate
from core.model import AlexNet
from core.model.alexnet import normalize


@pytest.fixture(scope="module")
def model() -> AlexNet:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(1))
    model.fc8.weight.mul_(20)
    return model


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """13 images, none of the last class."""
    images, _ = make_shapes(16, 1, seed=0)
    return replace(images, class_names=CIFAR10_CLASSES).select(torch.nonzero(images.labels != 9).flatten()[:13])


@pytest.fixture(scope="module")
def logits(model: AlexNet, images: ImageSet) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([model(normalize(image[None], model.input_spec)) for image in images.images]).double()


@pytest.mark.parametrize("batch", [4, 250])
def test_loss_accuracy_and_confusion_are_those_of_single_images(
    model: AlexNet, images: ImageSet, logits: torch.Tensor, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluation._BATCH", batch)
    heard: list[int] = []
    found = evaluate(model, images, on_batch=heard.append)
    confusion = np.zeros((10, 10), int)
    for row, label in zip(logits, images.labels, strict=True):
        confusion[label, row.argmax()] += 1
    np.testing.assert_array_equal(found.confusion, confusion)
    assert found.loss == pytest.approx(float(functional.cross_entropy(logits, images.labels)), rel=1e-4)
    assert found.accuracy == pytest.approx(np.trace(confusion) / 13)
    for k in range(9):
        assert found.per_class_accuracy[k] == pytest.approx(confusion[k, k] / confusion[k].sum())
    assert np.isnan(found.per_class_accuracy[9])
    assert heard == ([4, 8, 12, 13] if batch == 4 else [13])


def test_a_process_may_have_no_image_at_all(model: AlexNet, images: ImageSet) -> None:
    nothing = images.select(torch.tensor([], dtype=torch.int64))
    found = evaluate(model, nothing, total=lambda own: own + 1)  # what the others found
    assert found.probabilities.shape == (0, 10)
    assert found.confusion.tolist() == [[1] * 10] * 10


@pytest.mark.parametrize("names", [CIFAR10_CLASSES[::-1], (*CIFAR10_CLASSES, "yak")])
def test_images_of_other_classes_are_refused(model: AlexNet, images: ImageSet, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"the network knows airplane, .* choose images"):
        evaluate(model, replace(images, class_names=names))


def test_a_class_without_images_is_null_in_json(model: AlexNet, images: ImageSet) -> None:
    record = json.loads(json.dumps(evaluate(model, images).record(), allow_nan=False))
    assert record["per_class_accuracy"][9] is None
    assert sum(map(sum, record["confusion"])) == 13


@pytest.mark.parametrize("training", [False, True])
def test_the_mode_is_put_back_even_after_an_error(model: AlexNet, images: ImageSet, training: bool) -> None:
    expected = evaluate(model, images).loss
    model.train(training)
    try:
        assert evaluate(model, images).loss == expected  # no dropout
        assert model.training is training
        with pytest.raises(ZeroDivisionError):
            evaluate(model, images, on_batch=lambda done: done / 0)
        assert model.training is training
    finally:
        model.eval()


def test_bfloat16_agrees_closely(model: AlexNet, images: ImageSet) -> None:
    exact, fast = evaluate(model, images), evaluate(model, images, precision=torch.bfloat16)
    assert fast.loss == pytest.approx(exact.loss, rel=0.05)
    assert fast.loss != exact.loss


def test_a_record_is_plain() -> None:
    record = Evaluation(0.5, 1.0, np.array([1.0, np.nan]), np.array([[3, 0], [0, 0]]), np.ones((3, 2)) / 2).record()
    assert record == {
        "loss": 0.5, "accuracy": 1.0, "per_class_accuracy": [1.0, None], "confusion": [[3, 0], [0, 0]]
    }  # fmt: skip


@pytest.mark.parametrize(("views", "count"), [("flip", 2), ("flip-shift", 6)])
def test_views_average_the_probabilities_of_changed_images(
    model: AlexNet, images: ImageSet, views: Views, count: int
) -> None:
    shifts = (0, -1, 1) if count == 6 else (0,)
    pixels = [shifted(images.images, shift, mirrored=m) for shift in shifts for m in (False, True)]
    assert len(pixels) == count
    with torch.inference_mode():
        each = torch.stack([model(normalize(view, model.input_spec)).double().softmax(1) for view in pixels])
    expected = functional.nll_loss(each.mean(0).log(), images.labels)
    assert evaluate(model, images, views=views).loss == pytest.approx(float(expected), rel=1e-4)


def test_shares_of_several_processes_add_up(model: AlexNet, images: ImageSet) -> None:
    """total sums over processes: here the other's part is known beforehand."""
    whole = evaluate(model, images)
    parts = [images.select(torch.arange(start, 13, 2)) for start in (0, 1)]
    seen: list[torch.Tensor] = []
    evaluate(model, parts[1], total=lambda values: seen.append(values.clone()) or values)
    confusion, losses = seen
    other = {confusion.shape: confusion, losses.shape: losses}
    found = evaluate(model, parts[0], total=lambda values: values + other[values.shape])
    np.testing.assert_array_equal(found.confusion, whole.confusion)
    assert found.loss == pytest.approx(whole.loss, rel=1e-5)
    assert found.accuracy == whole.accuracy
