"""The arithmetic of one unit, from its pixels to what the next layer reads; it adds up to the network's own numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product, takewhile

import numpy as np
import torch
from torch import nn

from core.data.prepare import Picture, to_batch
from core.inspection.feature_maps import STAGES, require_channel
from core.inspection.filters import filter_weights
from core.inspection.receptive_field import Box, receptive_field, window
from core.model.alexnet import CONV_LAYERS, AlexNet, normalize
from core.prediction import evaluation_view

Activations = dict[str, np.ndarray]


@dataclass(frozen=True)
class Normalization:
    """LRN of one unit (Krizhevsky et al. 2012, section 3.3): divided by a number that grows with its neighbours.

    channels: the unit's own and up to two on either side, fewer at the first and the last. values: float64, theirs
    after the ReLU at the same pixel. own: the place of the unit's own among them. alpha: how much they count.
    """

    channels: tuple[int, ...]
    values: np.ndarray
    own: int
    alpha: float
    size: int = 5
    beta: float = 0.75
    k: float = 2.0

    @property
    def squares(self) -> np.ndarray:
        return np.asarray(self.values**2)

    @property
    def scale(self) -> float:
        """(k + alpha / size * sum of squares) ** beta."""
        return float((self.k + self.alpha / self.size * self.squares.sum()) ** self.beta)

    @property
    def result(self) -> float:
        return float(self.values[self.own]) / self.scale


@dataclass(frozen=True)
class Pooling:
    """One unit (row, column) of the pooled map that looks at the unit walked to.

    units: every (row, column) of the pooled map that looks at it: 1, 2 or 4. won: those of them that take its value.
    window, values: what the shown one looks at, float64 3 x 3.
    """

    units: tuple[tuple[int, int], ...]
    won: tuple[tuple[int, int], ...]
    row: int
    column: int
    window: Box
    values: np.ndarray

    @property
    def result(self) -> float:
        return float(self.values.max())


@dataclass(frozen=True)
class Destination:
    """Who reads the value next: of `layer`, the channel (of fc6, the neuron) that gives it the greatest weight.

    row, column: the unit with the value in its centre; None for fc6. position: the value's number among the inputs.
    """

    layer: str
    channel: int
    row: int | None
    column: int | None
    position: int
    weight: float


@dataclass(frozen=True)
class Walk:
    """A unit of a convolution layer. Fields are what the network holds; the properties are the arithmetic, in float64.

    field: the input pixels it can see. before, window: the layer it is computed from (input, pool1, ...) and the
    units there. patch, kernel: float64, input channels x height x width; the patch is 0 where `padding` (height x
    width, bool) is. network: the network's own number at each stage: conv, relu, lrn, pool.
    """

    layer: str
    channel: int
    row: int
    column: int
    field: Box
    before: str
    window: Box
    patch: np.ndarray
    padding: np.ndarray
    kernel: np.ndarray
    bias: float
    normalization: Normalization | None
    pooling: Pooling | None
    destination: Destination
    network: dict[str, float]

    @cached_property
    def products(self) -> np.ndarray:
        """float64, input channels x height x width."""
        products: np.ndarray = self.patch * self.kernel
        return products

    @cached_property
    def sums(self) -> np.ndarray:
        """The products' sum in each input channel: float64."""
        sums: np.ndarray = self.products.sum((1, 2))
        return sums

    @property
    def strongest(self) -> np.ndarray:
        """The input channels by the size of their sum, the greatest first: int64."""
        return np.argsort(-np.abs(self.sums), kind="stable")

    @property
    def total(self) -> float:
        return float(self.sums.sum())

    @property
    def conv(self) -> float:
        return self.total + self.bias

    @property
    def relu(self) -> float:
        return max(self.conv, 0.0)

    @property
    def difference(self) -> float:
        """The greatest difference between this arithmetic and the network's own numbers."""
        ours = {"conv": self.conv, "relu": self.relu}
        if self.normalization:
            ours["lrn"] = self.normalization.result
        if self.pooling:
            ours["pool"] = self.pooling.result
        return max(abs(ours[stage] - value) for stage, value in self.network.items())


def trace(model: AlexNet, image: Picture) -> Activations:
    """The normalised input ("input") and every layer's output from conv1 to pool5 for one picture, float32 C x H x W.

    One pass in evaluation mode; `model` itself is left as it is. Raises ImageError for an array that isn't an image.
    """
    device = next(model.parameters()).device
    with torch.inference_mode():
        start = normalize(to_batch([image], model.input_spec.image_size).to(device), model.input_spec)
        maps = takewhile(lambda step: step[1].ndim == 4, evaluation_view(model).activations(start))
        return {name: output[0].float().contiguous().cpu().numpy() for name, output in (("input", start), *maps)}


def walk(model: AlexNet, activations: Activations, layer: str, channel: int, row: int, column: int) -> Walk:
    """Everything that made the unit (channel, row, column) of a convolution layer; activations from `trace`.

    Raises InspectionError for a layer, channel, row or column that isn't there.
    """
    kernel = filter_weights(model, layer, channel).astype(np.float64)
    field = receptive_field(layer, row, column)
    number, names = layer.removeprefix("conv"), list(activations)
    before = names[names.index(layer) - 1]
    patch, padding = _patch(activations[before], model, layer, row, column)
    stages = [stage for stage in STAGES if stage + number in activations]
    last = activations[f"lrn{number}" if "lrn" in stages else f"relu{number}"]
    place = dict.fromkeys(stages, (channel, row, column))
    normalization = pooling = None
    if "lrn" in stages:
        normalization = _normalization(activations[f"relu{number}"], model.lrn_alpha, channel, row, column)
    if "pool" in stages:
        pooling = _pooling(last[channel], f"pool{number}", len(activations[f"pool{number}"][0]), row, column)
        place["pool"] = (channel, pooling.row, pooling.column)
    return Walk(
        layer, channel, row, column, field, before, window(layer, row, column), patch, padding, kernel,
        bias=float(model.get_parameter(f"{layer}.bias").detach()[channel]),
        normalization=normalization,
        pooling=pooling,
        destination=_destination(model, layer, *place[stages[-1]]),
        network={stage: float(activations[stage + number][where]) for stage, where in place.items()},
    )  # fmt: skip


def strongest_unit(activations: Activations, layer: str, channel: int) -> tuple[int, int]:
    """Row and column of the channel's greatest convolution output. Raises InspectionError for what isn't there."""
    require_channel(layer, channel)
    maps = activations[layer]
    return divmod(int(maps[channel].argmax()), len(maps[0]))  # the maps are square


def _patch(maps: np.ndarray, model: AlexNet, layer: str, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """The values under the kernel, 0 beyond the maps, and where that is."""
    conv = model.get_submodule(layer)
    assert isinstance(conv, nn.Conv2d)
    (height, width), stride, margin = conv.kernel_size, conv.stride[0], int(conv.padding[0])
    box = window(layer, row, column)
    top, left = box.top - (row * stride - margin), box.left - (column * stride - margin)
    inside = slice(top, top + box.bottom - box.top), slice(left, left + box.right - box.left)
    patch, padding = np.zeros((len(maps), height, width)), np.ones((height, width), dtype=bool)
    patch[:, *inside] = maps[:, box.top : box.bottom, box.left : box.right]
    padding[inside] = False
    return patch, padding


def _normalization(maps: np.ndarray, alpha: float, channel: int, row: int, column: int) -> Normalization:
    reach = Normalization.size // 2
    channels = range(max(channel - reach, 0), min(channel + reach + 1, len(maps)))
    values = maps[channels.start : channels.stop, row, column].astype(np.float64)
    return Normalization(tuple(channels), values, own=channels.index(channel), alpha=alpha)


def _pooling(own: np.ndarray, name: str, side: int, row: int, column: int) -> Pooling:
    """Of the windows over the unit, the first that takes its value, else the first; side: of the pooled map."""
    boxes = [window(name, unit, unit) for unit in range(side)]  # squares: rows and columns alike

    def over(unit: int) -> list[int]:
        return [number for number, box in enumerate(boxes) if box.top <= unit < box.bottom]

    def values(unit: tuple[int, int]) -> np.ndarray:
        box = window(name, *unit)
        return own[box.top : box.bottom, box.left : box.right].astype(np.float64)

    units = tuple(product(over(row), over(column)))
    won = tuple(unit for unit in units if 0 < own[row, column] == values(unit).max())
    shown = (won or units)[0]
    return Pooling(units, won, *shown, window(name, *shown), values(shown))


def _destination(model: AlexNet, layer: str, channel: int, row: int, column: int) -> Destination:
    """`channel`, `row` and `column` name the value in the last map before the next layer with weights."""
    if layer == CONV_LAYERS[-1]:
        position = (channel * 6 + row) * 6 + column
        weights = model.fc6.weight.detach()[:, position]
        neuron = int(weights.abs().argmax())
        return Destination("fc6", neuron, None, None, position, float(weights[neuron]))
    following = CONV_LAYERS[CONV_LAYERS.index(layer) + 1]
    kernels = model.get_parameter(f"{following}.weight").detach()[:, channel]
    weights = kernels[:, kernels.shape[1] // 2, kernels.shape[2] // 2]
    reader = int(weights.abs().argmax())
    return Destination(following, reader, row, column, channel, float(weights[reader]))
