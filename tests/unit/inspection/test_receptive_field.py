"""core.inspection.receptive_field: exactly the pixels that the gradient of a unit reaches."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import InspectionError
from core.inspection.receptive_field import Box, receptive_field, window
from core.model import AlexNet
from core.model.alexnet import INPUT_SIZE

SIDES = {
    "conv1": 55, "relu1": 55, "lrn1": 55, "pool1": 27, "conv2": 27, "relu2": 27, "lrn2": 27, "pool2": 13,
    "conv3": 13, "relu3": 13, "conv4": 13, "relu4": 13, "conv5": 13, "relu5": 13, "pool5": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def transparent() -> AlexNet:
    """AlexNet with a gradient above 0 wherever there is a way: two channels, all weights alike, mean pooling.

    Means of ones are about 1, so that LRN and ReLU let them pass.
    """
    with torch.device("meta"):
        model = AlexNet().eval()
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Conv2d):
            channels = 3 if name == "conv1" else 2
            thin = nn.Conv2d(channels, 2, layer.kernel_size, layer.stride, layer.padding, bias=False)
            nn.init.constant_(thin.weight, 1 / thin.weight[0].numel())
            setattr(model, name, thin.requires_grad_(False).double())
        elif isinstance(layer, nn.MaxPool2d):
            setattr(model, name, nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding))
    return model


def reached(pixels: torch.Tensor, unit: torch.Tensor) -> Box:
    """The smallest box around all of `pixels` (1 x C x H x W) on which `unit` depends, if it is filled."""
    (gradient,) = torch.autograd.grad(unit, pixels, retain_graph=True)
    there = (gradient[0] != 0).any(0)
    rows, columns = (torch.nonzero(there.any(axis)).flatten() for axis in (1, 0))
    box = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    assert bool(there[box.top : box.bottom, box.left : box.right].all())
    return box


def some_units(side: int) -> list[tuple[int, int]]:
    """Corners, the middle of an edge, the centre, beside the border, and some others, the same each time."""
    last, draw = side - 1, random.Random(side)
    chosen = [(0, 0), (0, last), (last, 0), (last, last), (0, side // 2), (side // 2, last), (side // 2, side // 2)]
    return [*chosen, (1, last - 1), (2, 1), *((draw.randrange(side), draw.randrange(side)) for _ in range(4))]


@pytest.fixture(scope="module")
def outputs(transparent: AlexNet) -> dict[str, torch.Tensor]:
    """The input and every layer that has maps, from one pass that remembers where each value came from."""
    pixels = torch.ones(1, 3, INPUT_SIZE, INPUT_SIZE, dtype=torch.float64, requires_grad=True)
    found = {"input": pixels}
    for name, output in transparent.activations(pixels):
        if output.ndim != 4:
            break
        found[name] = output
    return found


def test_the_layers_and_their_maps_are_those_of_the_network(outputs: dict[str, torch.Tensor]) -> None:
    assert {name: output.shape[-1] for name, output in outputs.items() if name != "input"} == SIDES


@pytest.mark.parametrize("name", SIDES)
def test_it_is_the_support_of_the_gradient(outputs: dict[str, torch.Tensor], name: str) -> None:
    for row, column in some_units(SIDES[name]):
        unit = outputs[name][0, 0, row, column]
        assert receptive_field(name, row, column) == reached(outputs["input"], unit), (row, column)


@pytest.mark.parametrize("name", SIDES)
def test_the_window_is_what_the_layer_before_gives(outputs: dict[str, torch.Tensor], name: str) -> None:
    before = list(outputs)[list(outputs).index(name) - 1]
    for row, column in some_units(SIDES[name]):
        assert window(name, row, column) == reached(outputs[before], outputs[name][0, 0, row, column]), (row, column)


def test_known_sizes_inside_the_map() -> None:
    """The published receptive fields of this AlexNet, for units that padding and border leave alone."""
    middle = {"conv1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163, "pool5": 195}
    for name, size in middle.items():
        box = receptive_field(name, SIDES[name] // 2, SIDES[name] // 2)
        assert (box.bottom - box.top, box.right - box.left) == (size, size), name


def test_a_real_network_depends_on_nothing_outside() -> None:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    pixels = torch.randn(1, 3, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(1))
    unit = (128, 0, 6)  # channel, row, column of conv3: at the border, where padding begins
    box = receptive_field("conv3", *unit[1:])
    changed = torch.zeros_like(pixels)
    changed[..., box.top : box.bottom, box.left : box.right] = pixels[..., box.top : box.bottom, box.left : box.right]
    with torch.inference_mode():
        whole, part = (
            next(output[0] for name, output in model.activations(x) if name == "conv3") for x in (pixels, changed)
        )
    np.testing.assert_allclose(whole[unit], part[unit], rtol=1e-5)
    assert not torch.allclose(whole, part)


def test_a_layer_without_maps_is_refused_with_the_choices() -> None:
    for call in (receptive_field, window):
        with pytest.raises(InspectionError, match=r"'fc6' has no maps: choose one of conv1, relu1, .*pool5"):
            call("fc6", 0, 0)


@pytest.mark.parametrize("unit", [(-1, 0), (0, -1), (13, 0), (0, 13)])
def test_a_unit_beyond_the_map_is_refused(unit: tuple[int, int]) -> None:
    for call in (receptive_field, window):
        with pytest.raises(InspectionError, match="conv3 has rows and columns 0 to 12, got"):
            call("conv3", *unit)
