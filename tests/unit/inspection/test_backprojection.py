"""What of a picture raises a unit: checked against Captum, against small changes of pixels, and against its field."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop

from core.data.example import example_image
from core.data.prepare import to_batch
from core.errors import InspectionError
from core.inspection.backprojection import WAYS, as_picture, backproject
from core.inspection.receptive_field import receptive_field
from core.model import CONV_LAYERS, AlexNet
from core.model.alexnet import normalize
from core.prediction import private_view

CAPTUM = {"gradient": NeuronGradient, "deconvolution": NeuronDeconvolution, "guided": NeuronGuidedBackprop}


@pytest.fixture(scope="module")
def model() -> AlexNet:
    network = AlexNet(lrn_alpha=3.0)
    network.initialize(torch.Generator().manual_seed(3))
    return network.eval()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv5"])
def test_it_is_what_captum_finds(model: AlexNet, layer: str, way: str) -> None:
    unit, channel = (5, 7), 11
    found = backproject(model, example_image(), layer, channel, unit, way)
    network = private_view(model)
    seen = normalize(to_batch([example_image()], 32), model.input_spec).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum says that it hooks the ReLUs
        other = CAPTUM[way](network, network.get_submodule(layer)).attribute(seen, (channel, *unit))
    expected = other[0].permute(1, 2, 0).detach().numpy() / np.array(model.input_spec.std)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layer", CONV_LAYERS)
def test_it_lies_within_the_receptive_field(model: AlexNet, layer: str, way: str) -> None:
    found = backproject(model, example_image(), layer, 3, (2, 9), way)
    assert found.shape == (227, 227, 3)
    field = receptive_field(layer, 2, 9)
    outside = np.ones((227, 227), bool)
    outside[max(field.top, 0) : field.bottom, max(field.left, 0) : field.right] = False
    assert not found[outside].any()
    assert found.any()


def test_it_leaves_the_network_as_it_is(model: AlexNet) -> None:
    training = private_view(model).train().requires_grad_(True)
    backproject(training, example_image(), "conv3", 0, (0, 0), "guided")
    assert training.training
    assert all(parameter.grad is None for parameter in training.parameters())


@pytest.mark.parametrize(
    ("layer", "channel", "unit", "way", "message"),
    [
        ("conv9", 0, (0, 0), "guided", "conv9"),
        ("conv3", 384, (0, 0), "guided", "384"),
        ("conv3", 0, (13, 0), "guided", "rows and columns 0 to 12, got 13, 0"),
        ("conv3", 0, (0, -1), "guided", "got 0, -1"),
        ("conv3", 0, (0, 0), "x", "no way back 'x': choose one of gradient, deconvolution, guided"),
    ],
)
def test_what_is_not_there_is_said(model: AlexNet, layer: str, channel: int, unit, way: str, message: str) -> None:
    with pytest.raises(InspectionError, match=message):
        backproject(model, example_image(), layer, channel, unit, way)


def test_grey_is_nothing() -> None:
    values = np.array([[[0.0, 2.0, -2.0]], [[1.0, -1.0, 0.0]]])
    assert as_picture(values).tolist() == [[[128, 255, 0]], [[191, 64, 128]]]
    assert (as_picture(np.zeros((2, 2, 3))) == 128).all()
