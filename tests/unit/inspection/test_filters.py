"""core.inspection.filters: the weights of a channel, and their picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import InspectionError
from core.inspection.filters import filter_image, filter_weights
from core.inspection.mosaic import colormap
from core.model import CONV_LAYERS, AlexNet


@pytest.fixture(scope="module")
def model() -> AlexNet:
    return AlexNet().to(memory_format=torch.channels_last)


@pytest.mark.parametrize("layer", CONV_LAYERS)
def test_the_weights_are_those_of_the_network(model: AlexNet, layer: str) -> None:
    weight = model.get_parameter(f"{layer}.weight")
    for channel in (0, len(weight) - 1):
        kernel = filter_weights(model, layer, channel)
        assert kernel.dtype == np.float32
        np.testing.assert_array_equal(kernel, weight[channel].detach().numpy())


def test_a_picture_of_weights_does_not_reach_into_the_network(model: AlexNet) -> None:
    before = model.conv1.weight.detach().clone()
    filter_image(filter_weights(model, "conv1", 0))
    assert torch.equal(model.conv1.weight, before)


@pytest.mark.parametrize("channel", [-1, 96, 10**9])
def test_a_channel_that_is_not_there_is_refused_with_the_limits(model: AlexNet, channel: int) -> None:
    with pytest.raises(InspectionError, match=f"conv1 has channels 0 to 95, got {channel}"):
        filter_weights(model, "conv1", channel)


def test_an_unknown_layer_is_refused(model: AlexNet) -> None:
    with pytest.raises(InspectionError, match="'fc6': choose one of conv1"):
        filter_weights(model, "fc6", 0)


def test_three_input_channels_are_red_green_and_blue_around_grey() -> None:
    kernel = np.zeros((3, 2, 2), np.float32)
    kernel[0, 0, 1], kernel[1, 1, 0], kernel[2, 1, 1] = 0.5, -0.5, 0.25
    image = np.asarray(filter_image(kernel)).astype(int)
    assert image.shape == (2, 2, 3)
    assert image[0, 1].tolist() == [255, 128, 128]
    assert image[1, 0].tolist() == [128, 0, 128]
    assert image[1, 1].tolist() == [128, 128, 191]


def test_more_input_channels_lie_side_by_side_on_one_signed_scale() -> None:
    kernel = np.zeros((5, 2, 2), np.float32)
    kernel[3, 1, 0], kernel[4, 0, 1] = 2, -2
    image = np.asarray(filter_image(kernel))
    signed = colormap("signed")
    assert image.shape == (2 * 3, 3 * 3, 3)  # 3 columns, one pixel apart
    assert image[3 + 1, 0].tolist() == signed[255].tolist()
    assert image[3 + 0, 3 + 1].tolist() == signed[0].tolist()
    assert (image == signed[128]).all(2).sum() == 54 - 2


def test_weights_of_zero_are_drawn() -> None:
    assert len(np.unique(np.asarray(filter_image(np.zeros((4, 3, 3), np.float32))))) <= 3
