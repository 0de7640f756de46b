"""core.inspection.feature_maps: what a hook on a plain forward gives, exactly, and nothing changes by looking."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.prepare import to_batch
from core.errors import InspectionError
from core.inspection.feature_maps import STAGES, FeatureMaps, feature_maps, stages_of
from core.model import CONV_LAYERS, AlexNet
from core.model.alexnet import normalize

CASES = {
    ("conv1", "conv"): (96, 55, 55), ("conv1", "relu"): (96, 55, 55), ("conv1", "lrn"): (96, 55, 55),
    ("conv1", "pool"): (96, 27, 27), ("conv2", "conv"): (256, 27, 27), ("conv2", "relu"): (256, 27, 27),
    ("conv2", "lrn"): (256, 27, 27), ("conv2", "pool"): (256, 13, 13), ("conv3", "conv"): (384, 13, 13),
    ("conv3", "relu"): (384, 13, 13), ("conv4", "conv"): (384, 13, 13), ("conv4", "relu"): (384, 13, 13),
    ("conv5", "conv"): (256, 13, 13), ("conv5", "relu"): (256, 13, 13), ("conv5", "pool"): (256, 6, 6),
}  # fmt: skip
PICTURE = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> AlexNet:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope="module")
def hooked(model: AlexNet) -> dict[str, np.ndarray]:
    """What hooks on every module see during one plain forward pass."""
    seen: dict[str, np.ndarray] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output[0].numpy().copy()}))
        for name, module in model.named_children()
    ]
    try:
        with torch.inference_mode():
            model(normalize(to_batch([PICTURE], model.input_spec.image_size), model.input_spec))
    finally:
        for handle in handles:
            handle.remove()
    return seen


@pytest.mark.parametrize(("layer", "stage"), CASES)
def test_every_layer_and_stage_equals_a_hook_exactly(
    model: AlexNet, hooked: dict[str, np.ndarray], layer: str, stage: str
) -> None:
    maps = feature_maps(model, PICTURE, layer, stage)
    assert (maps.layer, maps.stage) == (layer, stage)
    assert (maps.values.dtype, maps.values.shape) == (np.float32, CASES[layer, stage])
    np.testing.assert_array_equal(maps.values, hooked[stage + layer[-1]])


def test_the_cases_are_all_there_are() -> None:
    assert list(CASES) == [(layer, stage) for layer in CONV_LAYERS for stage in stages_of(layer)]


def test_a_model_in_training_gives_the_same_and_is_left_as_it_is(model: AlexNet, hooked: dict[str, np.ndarray]) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    model.train()
    try:
        maps = feature_maps(model, PICTURE, "conv5", "pool")
        assert all(module.training for module in model.modules())
    finally:
        model.eval()
    np.testing.assert_array_equal(maps.values, hooked["pool5"])
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("layer", ["conv6", "fc6", "relu1", "", "conv1 "])
def test_an_unknown_layer_is_refused_with_the_choices(model: AlexNet, layer: str) -> None:
    for call in (lambda: stages_of(layer), lambda: feature_maps(model, PICTURE, layer)):
        with pytest.raises(InspectionError, match=f"{layer!r}: choose one of conv1, conv2, conv3, conv4, conv5"):
            call()


@pytest.mark.parametrize(("layer", "stage"), [("conv3", "lrn"), ("conv4", "pool"), ("conv5", "lrn"), ("conv1", "fc")])
def test_a_stage_that_the_layer_has_not_is_refused_with_its_choices(model: AlexNet, layer: str, stage: str) -> None:
    with pytest.raises(InspectionError, match=f"{layer} has no stage '{stage}': choose one of conv, relu"):
        feature_maps(model, PICTURE, layer, stage)


def test_only_the_convolution_output_is_signed(hooked: dict[str, np.ndarray]) -> None:
    for stage in STAGES:
        maps = FeatureMaps("conv1", stage, hooked[f"{stage}1"])
        assert maps.is_signed == (maps.values.min() < 0)


def test_statistics_of_each_channel() -> None:
    values = np.array([[[0, 0], [0, 4]], [[-1, 1], [2, -6]]], np.float32)
    table = FeatureMaps("conv1", "conv", values).statistics()
    assert table.columns.tolist() == ["channel", "min", "mean", "max", "zeros"]
    assert table.to_numpy().tolist() == [[0, 0, 1, 4, 0.75], [1, -6, -1, 2, 0]]
