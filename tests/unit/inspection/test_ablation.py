"""core.inspection.ablation: what zeroed weights give, for every layer, and the shared network stays as it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from core.data.images import ImageSet
from core.errors import InspectionError
from core.inspection import ablation
from core.inspection.ablation import (
    accuracy_without,
    format_channels,
    go_halfway,
    parse_channels,
    predict_without,
    single_ablations,
    strongest,
)
from core.inspection.feature_maps import feature_maps, num_channels
from core.model import CONV_LAYERS, AlexNet
from core.model.alexnet import normalize
from core.prediction import predict

PICTURE = np.random.default_rng(3).integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
OFF = (0, 1, 2, 17, 18, 40, 95)  # a channel at either end, some with their LRN neighbours


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Patches of random colours, so that an untrained network tells them apart."""
    colours = torch.randint(0, 256, (12, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    pixels = colours.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return ImageSet(pixels, torch.arange(12) % 3, AlexNet().class_names)


@pytest.fixture(scope="module")
def model(images: ImageSet) -> AlexNet:
    """Untrained, its classes made about equally frequent."""
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    model.fc8.bias.copy_(-model(normalize(images.images, model.input_spec)).mean(0))
    return model


def brute(model: AlexNet, off: dict[str, tuple[int, ...]]) -> AlexNet:
    """A copy in which the filters and biases of these channels are 0."""
    without = copy.deepcopy(model)
    for layer, channels in off.items():
        conv = without.get_submodule(layer)
        conv.weight[list(channels)] = 0
        conv.bias[list(channels)] = 0
    return without


@pytest.mark.parametrize("layer", CONV_LAYERS)
def test_a_channel_switched_off_is_one_without_weights(model: AlexNet, layer: str) -> None:
    expected = predict(brute(model, {layer: OFF}), [PICTURE])[0].probabilities
    found = predict_without(model, PICTURE, {layer: OFF})
    assert (found.probabilities.dtype, found.class_names) == (np.float32, model.class_names)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert abs(expected - predict(model, [PICTURE])[0].probabilities).max() > 1e-3, "it must make a difference"


def test_channels_of_several_layers_at_once(model: AlexNet) -> None:
    off = {"conv1": (5, 6), "conv3": tuple(range(100)), "conv5": (255,)}
    expected = predict(brute(model, off), [PICTURE])[0].probabilities
    np.testing.assert_allclose(predict_without(model, PICTURE, off).probabilities, expected, atol=1e-5)


def test_nothing_off_is_what_predict_says(model: AlexNet) -> None:
    expected = predict(model, [PICTURE])[0].probabilities
    for off in ({}, {"conv2": ()}):
        np.testing.assert_allclose(predict_without(model, PICTURE, off).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("layer", ["conv1", "conv4", "conv5"])
def test_the_sweep_equals_one_ablation_at_a_time(model: AlexNet, layer: str) -> None:
    heard: list[tuple[int, int]] = []
    found = single_ablations(model, PICTURE, layer, lambda done, total: heard.append((done, total)))
    assert (found.dtype, found.shape) == (np.float32, (num_channels(layer), 10))
    whole = predict(model, [PICTURE])[0].probabilities
    strong = int(abs(found - whole).max(1).argmax())
    for channel in (0, strong, num_channels(layer) - 1):
        expected = predict_without(model, PICTURE, {layer: (channel,)}).probabilities
        np.testing.assert_allclose(found[channel], expected, atol=1e-5)
    active = int((feature_maps(model, PICTURE, layer, "relu").values.max((1, 2)) > 0).sum())
    assert heard == [(start, active) for start in range(0, active, 50)]


def test_channels_that_are_silent_change_nothing(model: AlexNet) -> None:
    quiet = copy.deepcopy(model)
    quiet.conv5.bias[:] = -1e4
    quiet.conv5.bias[7] = 1
    found = single_ablations(quiet, PICTURE, "conv5")
    whole = predict(quiet, [PICTURE])[0].probabilities
    changed = np.flatnonzero(abs(found - whole).max(1) > 1e-6)
    assert changed.tolist() == [7]


@pytest.mark.parametrize("layer", CONV_LAYERS)
def test_accuracy_from_halfway_is_that_of_the_whole_way(
    model: AlexNet, images: ImageSet, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "_BATCH", 8)
    halfway = go_halfway(model, images, layer)
    before = halfway.maps.clone()
    for channels in ((), tuple(range(0, 96, 2))):
        heard: list[tuple[int, int]] = []
        found = accuracy_without(model, halfway, channels, lambda done, total, heard=heard: heard.append((done, total)))
        said = predict(brute(model, {layer: channels}), [images.image(i) for i in range(len(images))])
        right = np.array([p.label == images.label(i) for i, p in enumerate(said)])
        assert found.overall == pytest.approx(right.mean())
        for label in range(3):
            assert found.per_class[label] == pytest.approx(right[images.labels == label].mean())
        assert np.isnan(found.per_class[3:]).all(), "no image has these classes"
        assert heard == [(0, 12), (8, 12)]
    assert torch.equal(halfway.maps, before), "it serves for other channels too"


def test_the_network_is_left_as_it_is(model: AlexNet, images: ImageSet) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    model.train()
    try:
        whole = predict(model, [PICTURE])[0].probabilities
        predict_without(model, PICTURE, {"conv1": OFF, "conv4": OFF})
        single_ablations(model, PICTURE, "conv5")
        accuracy_without(model, go_halfway(model, images, "conv3"), OFF)
        assert all(module.training for module in model.modules())
        assert np.array_equal(predict(model, [PICTURE])[0].probabilities, whole)
    finally:
        model.eval()
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("", ()), (" , ", ()), ("3", (3,)), ("3, 17, 40-47", (3, 17, *range(40, 48))), ("7 5,5", (5, 7)),
        ("0-0", (0,)), ("90 - 95", tuple(range(90, 96))), ("1–3", (1, 2, 3)), ("2-4, 3-6", (2, 3, 4, 5, 6)),
        ("095", (95,)),
    ],
)  # fmt: skip
def test_a_list_of_channels_is_read(text: str, channels: tuple[int, ...]) -> None:
    assert parse_channels(text, "conv1") == channels
    assert parse_channels(format_channels(channels), "conv1") == channels


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("three", "'three' is no channel: write numbers and ranges, such as 3, 17, 40-47."),
        ("-1", "'-1' is no channel"), ("1.5", "'1.5' is no channel"), ("1-2-3", "'1-2-3' is no channel"),
        ("٣", "'٣' is no channel"), ("3;4", "'3;4' is no channel"), ("9" * 5000, f"'{'9' * 40}' is no channel"),
        ("47-40", "The range 47-40 runs backwards: write 40-47."),
        ("4, 96", "conv1 has no channel 96: its channels are 0 to 95."),
        ("0-999999", "conv1 has no channel 999999"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_channels_is_said(text: str, sentence: str) -> None:
    with pytest.raises(InspectionError) as caught:
        parse_channels(text, "conv1")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("channels", "text"),
    [((), ""), ((4,), "4"), ((4, 5), "4, 5"), ((6, 5, 4, 4), "4-6"), ((1, 2, 3, 9, 20, 21), "1-3, 9, 20, 21")],
)
def test_a_list_of_channels_is_written_short(channels: tuple[int, ...], text: str) -> None:
    assert format_channels(channels) == text


def test_layers_and_channels_that_are_not_there_are_refused(model: AlexNet, images: ImageSet) -> None:
    halfway = go_halfway(model, images, "conv5")
    for call in (
        lambda: predict_without(model, PICTURE, {"conv1": (96,)}),
        lambda: predict_without(model, PICTURE, {"conv1": (-1,)}),
        lambda: predict_without(model, PICTURE, {"fc6": (0,)}),
        lambda: single_ablations(model, PICTURE, "relu1"),
        lambda: go_halfway(model, images, "conv6"),
        lambda: accuracy_without(model, halfway, (256,)),
        lambda: accuracy_without(model, halfway, (-1,)),
    ):
        with pytest.raises(InspectionError):
            call()


def test_the_strongest_channels_come_first(model: AlexNet) -> None:
    maps = feature_maps(model, PICTURE, "conv2", "relu")
    means = maps.values.mean((1, 2))
    found = strongest(maps, 10)
    assert list(means[list(found)]) == sorted(means, reverse=True)[:10]
