"""core.prediction: the same answer however it is asked, and the network is left as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.prepare import to_batch
from core.errors import ImageError
from core.model import AlexNet, InputSpec
from core.model.alexnet import normalize
from core.prediction import Prediction, evaluation_view, network_input, predict

NAMES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="module")
def model() -> AlexNet:
    model = AlexNet(4, class_names=NAMES, input_spec=InputSpec(24)).eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    model.fc8.weight.mul_(20)  # probabilities that differ
    return model


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, (24 + 7 * i, 40, 3), dtype=np.uint8) for i in range(3)]


def test_probabilities_are_the_softmax_of_the_networks_outputs(model: AlexNet, pictures: list[np.ndarray]) -> None:
    with torch.inference_mode():
        logits = model(normalize(to_batch(pictures, 24), model.input_spec)).double()
    expected = (logits.exp() / logits.exp().sum(1, keepdim=True)).numpy()
    found = predict(model, pictures)
    for prediction, row in zip(found, expected, strict=True):
        assert prediction.probabilities.dtype == np.float32
        np.testing.assert_allclose(prediction.probabilities, row, rtol=1e-5, atol=1e-7)
        assert prediction.label == NAMES[int(row.argmax())]
    assert np.ptp([prediction.probabilities for prediction in found], axis=0).max() > 1e-3


def test_an_array_and_a_picture_of_it_are_the_same(model: AlexNet, pictures: list[np.ndarray]) -> None:
    first, second = predict(model, [pictures[0], Image.fromarray(pictures[0])])
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_no_picture_no_prediction(model: AlexNet) -> None:
    assert predict(model, []) == []


def test_more_pictures_than_a_batch_come_back_in_order(
    model: AlexNet, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    single = [predict(model, [picture])[0].probabilities for picture in pictures]
    monkeypatch.setattr("core.prediction._BATCH", 2)
    for prediction, alone in zip(predict(model, pictures), single, strict=True):
        np.testing.assert_allclose(prediction.probabilities, alone, rtol=1e-4)


def test_a_model_in_training_is_judged_without_dropout_and_left_as_it_is(
    model: AlexNet, pictures: list[np.ndarray]
) -> None:
    expected = predict(model, pictures)[0].probabilities
    random = torch.get_rng_state()
    model.train()
    try:
        found = predict(model, pictures)[0].probabilities
        assert all(module.training for module in model.modules())
    finally:
        model.eval()
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(torch.get_rng_state(), random)


def test_the_view_shares_the_weights_and_not_the_mode(model: AlexNet) -> None:
    assert evaluation_view(model) is model
    model.train()
    try:
        view = evaluation_view(model)
    finally:
        model.eval()
    assert not view.training
    assert (view.class_names, view.input_spec) == (model.class_names, model.input_spec)
    for name, value in model.state_dict().items():
        assert view.state_dict()[name].data_ptr() == value.data_ptr()


def test_what_is_no_image_is_refused(model: AlexNet) -> None:
    with pytest.raises(ImageError, match="An image array is uint8"):
        predict(model, [np.zeros((8, 8, 3))])


def test_the_top_classes_come_best_first() -> None:
    prediction = Prediction(NAMES, np.array([0.125, 0.5, 0.125, 0.25], np.float32))
    assert prediction.label == "bee"
    assert prediction.top(3) == [("bee", 0.5), ("dog", 0.25), ("ant", 0.125)]
    assert [name for name, _ in prediction.top(9)] == ["bee", "dog", "ant", "cat"]


def test_what_the_network_sees_is_the_stretched_square(pictures: list[np.ndarray]) -> None:
    seen = network_input(pictures[1], InputSpec(24))
    assert (seen.shape, seen.dtype) == ((227, 227, 3), np.uint8)
    square = to_batch([pictures[1]], 24).double()
    expected = torch.nn.functional.interpolate(square, (227, 227), mode="bilinear", align_corners=False)
    assert np.abs(seen.astype(float) - expected[0].permute(1, 2, 0).numpy()).max() <= 0.51


def test_a_flat_picture_is_seen_as_it_is() -> None:
    assert (network_input(np.full((60, 90, 3), 77, np.uint8), InputSpec(32)) == 77).all()
