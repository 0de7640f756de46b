"""core.inspection.walkthrough: the arithmetic of any unit adds up to what the network itself computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.errors import InspectionError
from core.inspection.feature_maps import feature_maps, stages_of
from core.inspection.walkthrough import Activations, Normalization, strongest_unit, trace, walk
from core.model import CONV_LAYERS, AlexNet

SHAPES = {
    "conv1": (96, 55), "conv2": (256, 27), "conv3": (384, 13), "conv4": (384, 13), "conv5": (256, 13)
}  # fmt: skip
BEFORE = {"conv1": "input", "conv2": "pool1", "conv3": "pool2", "conv4": "relu3", "conv5": "relu4"}
TOLERANCE = 1e-4
RNG = np.random.default_rng(5)
PICTURES = [RNG.integers(0, 256, size, dtype=np.uint8) for size in ((32, 32, 3), (40, 60, 3), (300, 250, 3))]


@pytest.fixture(scope="module")
def model() -> AlexNet:
    """Fresh weights, biases that would be missed, and an LRN that would."""
    model = AlexNet(lrn_alpha=3.0).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    model.initialize(generator)
    for layer in CONV_LAYERS:
        model.get_parameter(f"{layer}.bias").normal_(std=0.3, generator=generator)
    return model


@pytest.fixture(scope="module")
def traces(model: AlexNet) -> list[Activations]:
    return [trace(model, picture) for picture in PICTURES]


def random_units(count: int) -> Iterator[tuple[str, int, int, int]]:
    for number in range(count):
        layer = CONV_LAYERS[number % len(CONV_LAYERS)]
        channels, side = SHAPES[layer]
        yield layer, int(RNG.integers(channels)), int(RNG.integers(side)), int(RNG.integers(side))


def border_units() -> Iterator[tuple[str, int, int, int]]:
    """The first and the last channels, at all corners and next to them."""
    for layer, (channels, side) in SHAPES.items():
        for channel in (0, 1, channels - 2, channels - 1):
            for row in (0, 1, side - 2, side - 1):
                yield from ((layer, channel, row, column) for column in (0, side - 1))


def assert_adds_up(model: AlexNet, activations: Activations, unit: tuple[str, int, int, int]) -> None:
    found = walk(model, activations, *unit)
    layer, *place = unit
    number, place = layer[-1], tuple(place)
    parts = found.sums[found.strongest].sum()  # in the order they are shown
    assert parts == pytest.approx(found.products.sum(), abs=1e-9)
    shown = {"conv": parts + found.bias, "relu": found.relu}
    if found.normalization:
        shown["lrn"] = found.normalization.result
    network = {stage: float(activations[stage + number][place]) for stage in shown}
    if found.pooling:
        shown["pool"] = found.pooling.values.max()
        network["pool"] = float(activations[f"pool{number}"][place[0], found.pooling.row, found.pooling.column])
    assert tuple(shown) == stages_of(layer)
    assert shown == pytest.approx(network, abs=TOLERANCE), unit
    assert found.network == network
    assert found.difference == pytest.approx(max(abs(shown[stage] - network[stage]) for stage in shown), abs=1e-9)


def test_a_thousand_units_add_up_to_the_networks_own_numbers(model: AlexNet, traces: list[Activations]) -> None:
    for number, unit in enumerate(random_units(1000)):
        assert_adds_up(model, traces[number % len(traces)], unit)


def test_units_at_the_borders_add_up_too(model: AlexNet, traces: list[Activations]) -> None:
    for unit in border_units():
        assert_adds_up(model, traces[1], unit)


def test_the_trace_is_what_the_feature_maps_show(model: AlexNet, traces: list[Activations]) -> None:
    assert next(iter(traces[0])) == "input"
    assert list(traces[0])[-1] == "pool5"
    assert traces[0]["input"].shape == (3, 227, 227)
    for layer in CONV_LAYERS:
        for stage in stages_of(layer):
            maps = feature_maps(model, PICTURES[2], layer, stage)
            np.testing.assert_array_equal(traces[2][stage + layer[-1]], maps.values)


def test_a_trace_is_of_a_network_at_rest_and_changes_nothing() -> None:
    model = AlexNet()  # in training mode, its parameters wanting gradients
    model.initialize(torch.Generator().manual_seed(1))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    activations = trace(model, PICTURES[0])
    assert model.training
    assert walk(model, activations, "conv5", 0, 0, 0).difference < TOLERANCE
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_network_that_computed_something_else_is_noticed(model: AlexNet, traces: list[Activations]) -> None:
    for name in ("conv1", "relu1", "lrn1", "pool1"):
        wrong = traces[0] | {name: traces[0][name] + 0.5}
        assert walk(model, wrong, "conv1", 3, 20, 20).difference > 0.2, name


@pytest.mark.parametrize("layer", CONV_LAYERS)
@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_the_patch_is_the_window_and_zeros_around_it(
    model: AlexNet, traces: list[Activations], layer: str, corner: tuple[int, int]
) -> None:
    row, column = (place % SHAPES[layer][1] for place in corner)
    found = walk(model, traces[0], layer, 0, row, column)
    assert found.before == BEFORE[layer]
    margin = model.get_submodule(layer).padding[0]
    rows = np.s_[:margin] if row == 0 else np.s_[len(found.padding) - margin :]
    columns = np.s_[:margin] if column == 0 else np.s_[len(found.padding) - margin :]
    expected = np.zeros_like(found.padding)
    expected[rows], expected[:, columns] = True, True
    np.testing.assert_array_equal(found.padding, expected)
    assert not found.patch[:, found.padding].any()
    box = found.window
    seen = traces[0][found.before][:, box.top : box.bottom, box.left : box.right]
    np.testing.assert_array_equal(found.patch[:, ~found.padding], seen.reshape(len(seen), -1))


def test_the_strongest_contributions_come_first(model: AlexNet, traces: list[Activations]) -> None:
    found = walk(model, traces[0], "conv3", 17, 6, 6)
    sizes = np.abs(found.sums[found.strongest])
    assert (np.diff(sizes) <= 0).all()
    assert sorted(found.strongest) == list(range(256))


@pytest.mark.parametrize(("channel", "neighbours"), [(0, 3), (1, 4), (2, 5), (94, 4), (95, 3)])
def test_the_neighbours_of_the_first_and_last_channels_are_fewer(
    model: AlexNet, traces: list[Activations], channel: int, neighbours: int
) -> None:
    normalization = walk(model, traces[0], "conv1", channel, 9, 9).normalization
    assert normalization.channels == tuple(c for c in range(channel - 2, channel + 3) if 0 <= c < 96)
    assert len(normalization.values) == neighbours
    assert normalization.channels[normalization.own] == channel
    np.testing.assert_array_equal(normalization.values, traces[0]["relu1"][list(normalization.channels), 9, 9])


def test_the_constants_of_lrn_hold_where_the_neighbours_are_loud() -> None:
    values = np.array([400.0, 0.0, 250.0, 90.0, 700.0])
    expected = functional.local_response_norm(torch.tensor(values)[None, :, None], 5, 1e-4, 0.75, 2.0)[0, 2, 0]
    assert Normalization((0, 1, 2, 3, 4), values, own=2, alpha=1e-4).result == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(("layer", "pooled"), [("conv1", 27), ("conv2", 13), ("conv5", 6)])
def test_the_pooling_windows_are_all_that_hold_the_unit(
    model: AlexNet, traces: list[Activations], layer: str, pooled: int
) -> None:
    side, number = SHAPES[layer][1], layer[-1]
    last = traces[0][f"lrn{number}" if layer != "conv5" else "relu5"][7]
    for row, column in zip(range(side), RNG.permutation(side).tolist(), strict=True):
        pooling = walk(model, traces[0], layer, 7, row, column).pooling
        holding = [
            (p, q) for p in range(pooled) for q in range(pooled)
            if 2 * p <= row <= 2 * p + 2 and 2 * q <= column <= 2 * q + 2
        ]  # fmt: skip
        assert list(pooling.units) == holding
        assert len(holding) in (1, 2, 4)
        maxima = {(p, q): last[2 * p : 2 * p + 3, 2 * q : 2 * q + 3].max() for p, q in holding}
        assert list(pooling.won) == [unit for unit in holding if maxima[unit] == last[row, column] > 0]
        assert (pooling.row, pooling.column) == (pooling.won or pooling.units)[0]
        assert pooling.values.shape == (3, 3)
        assert pooling.values[row - pooling.window.top, column - pooling.window.left] == last[row, column]


@pytest.mark.parametrize("layer", CONV_LAYERS[:-1])
def test_the_value_goes_to_the_centre_of_a_unit_that_reads_it(
    model: AlexNet, traces: list[Activations], layer: str
) -> None:
    found = walk(model, traces[0], layer, 11, 5, 8)
    to = found.destination
    reader = walk(model, traces[0], to.layer, to.channel, to.row, to.column)
    centre = (to.position, len(reader.padding) // 2, len(reader.padding) // 2)
    assert reader.patch[centre] == list(found.network.values())[-1]
    assert reader.kernel[centre] == to.weight
    weights = model.get_parameter(f"{to.layer}.weight")[:, to.position, centre[1], centre[2]]
    assert abs(to.weight) == weights.abs().max()


def test_from_the_last_layer_the_value_goes_to_a_neuron(model: AlexNet, traces: list[Activations]) -> None:
    found = walk(model, traces[0], "conv5", 200, 7, 12)
    to = found.destination
    assert (to.layer, to.row, to.column) == ("fc6", None, None)
    assert traces[0]["pool5"].ravel()[to.position] == found.network["pool"]
    assert model.fc6.weight[to.channel, to.position] == to.weight
    assert abs(to.weight) == model.fc6.weight[:, to.position].abs().max()


def test_the_strongest_unit_is_the_maps_maximum(traces: list[Activations]) -> None:
    row, column = strongest_unit(traces[0], "conv2", 100)
    assert traces[0]["conv2"][100, row, column] == traces[0]["conv2"][100].max()


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        (("conv6", 0, 0, 0), "no convolution layer 'conv6': choose one of conv1, conv2"),
        (("pool1", 0, 0, 0), "no convolution layer 'pool1'"),
        (("conv1", 96, 0, 0), "conv1 has no channel 96: its channels are 0 to 95"),
        (("conv1", -1, 0, 0), "conv1 has no channel -1"),
        (("conv2", 0, 27, 0), r"conv2 has rows and columns 0 to 26, got \(27, 0\)"),
        (("conv2", 0, 0, -1), r"conv2 has rows and columns 0 to 26, got \(0, -1\)"),
    ],
)
def test_what_is_not_there_is_refused(
    model: AlexNet, traces: list[Activations], unit: tuple[str, int, int, int], sentence: str
) -> None:
    with pytest.raises(InspectionError, match=sentence):
        walk(model, traces[0], *unit)


def test_a_channel_beyond_the_layer_has_no_strongest_unit(traces: list[Activations]) -> None:
    with pytest.raises(InspectionError, match="conv1 has no channel 96: its channels are 0 to 95"):
        strongest_unit(traces[0], "conv1", 96)
    with pytest.raises(InspectionError, match="no convolution layer 'fc6'"):
        strongest_unit(traces[0], "fc6", 0)
