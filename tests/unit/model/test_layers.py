"""core.model.layers: the layer table against arithmetic by hand, and receptive fields against gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.model import AlexNet, LayerInfo, layer_table

# name: output shape, parameters, multiply-adds of the forward pass
BY_HAND = {
    "conv1": ((96, 55, 55), 96 * 363 + 96, 55 * 55 * 96 * 363),
    "relu1": ((96, 55, 55), 0, 0),
    "lrn1": ((96, 55, 55), 0, 0),
    "pool1": ((96, 27, 27), 0, 0),
    "conv2": ((256, 27, 27), 256 * 2400 + 256, 27 * 27 * 256 * 2400),
    "relu2": ((256, 27, 27), 0, 0),
    "lrn2": ((256, 27, 27), 0, 0),
    "pool2": ((256, 13, 13), 0, 0),
    "conv3": ((384, 13, 13), 384 * 2304 + 384, 13 * 13 * 384 * 2304),
    "relu3": ((384, 13, 13), 0, 0),
    "conv4": ((384, 13, 13), 384 * 3456 + 384, 13 * 13 * 384 * 3456),
    "relu4": ((384, 13, 13), 0, 0),
    "conv5": ((256, 13, 13), 256 * 3456 + 256, 13 * 13 * 256 * 3456),
    "relu5": ((256, 13, 13), 0, 0),
    "pool5": ((256, 6, 6), 0, 0),
    "flatten": ((9216,), 0, 0),
    "dropout6": ((9216,), 0, 0),
    "fc6": ((4096,), 9216 * 4096 + 4096, 9216 * 4096),
    "relu6": ((4096,), 0, 0),
    "dropout7": ((4096,), 0, 0),
    "fc7": ((4096,), 4096 * 4096 + 4096, 4096 * 4096),
    "relu7": ((4096,), 0, 0),
    "fc8": ((10,), 4096 * 10 + 10, 4096 * 10),
}
SPATIAL = [name for name, (shape, *_) in BY_HAND.items() if len(shape) == 3]


@pytest.fixture(scope="module")
def table() -> dict[str, LayerInfo]:
    return {row.name: row for row in layer_table()}


def test_every_layer_is_there_in_order(table: dict[str, LayerInfo]) -> None:
    assert list(table) == list(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_shape_parameters_and_multiply_adds(table: dict[str, LayerInfo], name: str) -> None:
    row = table[name]
    assert (row.output_shape, row.parameters, row.multiply_adds) == BY_HAND[name]


def test_sums(table: dict[str, LayerInfo]) -> None:
    assert sum(row.parameters for row in table.values()) == 58_322_314
    assert sum(row.multiply_adds for row in table.values()) == 1_131_201_056


def test_kinds_are_words(table: dict[str, LayerInfo]) -> None:
    kinds = [table[name].kind for name in ("conv1", "relu1", "lrn1", "pool1", "flatten", "dropout6", "fc6")]
    assert kinds == [
        "convolution", "ReLU", "local response norm", "max pool", "flatten", "dropout", "fully connected"
    ]  # fmt: skip


def geometry(name: str) -> nn.Sequential:
    """The layers up to `name` with one channel and equal positive weights: every input that counts gets a gradient.

    A maximum passes its gradient to one input only, so an average of the same window stands in for it.
    """
    layers: list[nn.Module] = []
    with torch.device("meta"):
        children = list(AlexNet().named_children())
    for child, layer in children[: [child for child, _ in children].index(name) + 1]:
        if isinstance(layer, nn.Conv2d):
            conv = nn.Conv2d(1, 1, layer.kernel_size, layer.stride, layer.padding, bias=False, dtype=torch.float64)
            layers.append(conv)
            nn.init.ones_(conv.weight)
        elif child.startswith("pool"):
            layers.append(nn.AvgPool2d(layer.kernel_size, layer.stride))
    return nn.Sequential(*layers)


@pytest.mark.parametrize("name", SPATIAL)
@pytest.mark.parametrize("place", ["first", "central", "last"])
def test_receptive_field_is_the_support_of_the_gradient(table: dict[str, LayerInfo], name: str, place: str) -> None:
    row = table[name]
    image = torch.ones(1, 1, 227, 227, dtype=torch.float64, requires_grad=True)
    output = geometry(name)(image)
    assert output.shape[2:] == row.output_shape[1:]
    y = {"first": 0, "central": output.shape[2] // 2, "last": output.shape[2] - 1}[place]
    x = output.shape[3] // 2
    output[0, 0, y, x].backward()
    assert image.grad is not None
    rows, columns = (image.grad[0, 0].any(axis).nonzero().flatten() for axis in (1, 0))
    for support, unit in ((rows, y), (columns, x)):
        start = row.offset + unit * row.stride
        assert support.tolist() == list(range(max(start, 0), min(start + row.receptive_field, 227)))


def test_the_real_network_sees_no_further_than_its_receptive_field(table: dict[str, LayerInfo]) -> None:
    model = AlexNet().eval()
    image = torch.randn(1, 3, 227, 227, generator=torch.Generator().manual_seed(0), requires_grad=True)
    row = table["conv3"]
    output = dict(model.activations(image))["conv3"]
    output[0, :, 6, 6].sum().backward()
    assert image.grad is not None
    start = row.offset + 6 * row.stride
    inside = torch.zeros(227, 227, dtype=torch.bool)
    inside[start : start + row.receptive_field, start : start + row.receptive_field] = True
    seen = image.grad[0].any(0)
    assert not seen[~inside].any()
    assert seen[start].any()
    assert seen[start + row.receptive_field - 1].any()


@pytest.mark.parametrize("name", ["flatten", "fc6", "fc8"])
def test_from_flatten_on_a_unit_sees_everything(table: dict[str, LayerInfo], name: str) -> None:
    assert (table[name].receptive_field, table[name].stride, table[name].offset) == (227, None, None)
