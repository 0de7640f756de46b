"""core.inspection.filters: the weights of a channel, and their picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import InspectionError
from core.inspection.filters import acting, filter_image, filter_sheet, filter_weights
from core.inspection.mosaic import colormap
from core.model import CONV_LAYERS, AlexNet
from core.model.stretched_conv import _bilinear_matrix


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
    with pytest.raises(InspectionError, match=f"conv1 has no channel {channel}: its channels are 0 to 95"):
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


@pytest.mark.parametrize("image_size", [8, 32, 64, 227])
def test_what_acts_of_a_kernel_tells_the_variance_of_its_output(image_size: int) -> None:
    """Over images of independent pixels: the sum of what each contributes, over all places of the window."""
    kernel = torch.randn(11, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = _bilinear_matrix(image_size, 227, torch.device("cpu")).double()
    windows = [matrix[4 * i : 4 * i + 11] for i in range(55)]
    expected = np.mean([float((rows.T @ kernel @ columns).square().sum()) for rows in windows for columns in windows])
    found = acting(kernel.numpy(), image_size)
    assert found.dtype == np.float32
    assert float((found.astype(np.float64) ** 2).sum()) == pytest.approx(expected, rel=1e-5)


def test_nothing_of_a_kernel_is_lost_where_images_are_not_stretched(model: AlexNet) -> None:
    kernels = model.conv1.weight.detach().numpy()
    np.testing.assert_allclose(acting(kernels, 227), kernels, atol=1e-6)


def test_noise_that_no_stretched_image_can_hold_is_not_drawn() -> None:
    checkerboard = np.indices((11, 11)).sum(0) % 2 * 2 - 1
    smooth = np.outer(np.hanning(11), np.hanning(11))
    kernels = np.broadcast_to(np.stack([smooth, smooth + checkerboard])[:, None], (2, 3, 11, 11)).astype(np.float32)
    pictures = np.asarray(filter_sheet(kernels, 32)).astype(int)
    assert np.abs(pictures[:, :11] - pictures[:, 12:23]).max() <= 8  # of 255; as weights they differ by over 100
