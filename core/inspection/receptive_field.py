"""Which pixels of the network's input a unit can see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from core.errors import InspectionError
from core.model.alexnet import INPUT_SIZE, AlexNet


@dataclass(frozen=True)
class Box:
    """Rows top to bottom - 1 and columns left to right - 1, in pixels or in units of a map."""

    top: int
    left: int
    bottom: int
    right: int


def receptive_field(name: str, row: int, column: int) -> Box:
    """The input pixels (of 227 x 227) that can reach the unit at (row, column) of layer `name`, such as pool2 or conv3.

    Exactly those: padding is no part of it. Raises InspectionError for a layer without maps or a unit beyond its map.
    """
    _checked(name, row, column)
    box = Box(row, column, row + 1, column + 1)
    names = list(_geometry())
    for layer in reversed(names[: names.index(name) + 1]):
        box = _one_back(_geometry()[layer], box)
    return box


def window(name: str, row: int, column: int) -> Box:
    """The units of the layer before (for conv1: input pixels) from which `name` computes its unit at (row, column)."""
    return _one_back(_checked(name, row, column), Box(row, column, row + 1, column + 1))


def centers(name: str) -> tuple[float, ...]:
    """Where along a side of the input, in pixels from its edge, the receptive fields of a map's units are centred.

    One number per row, the same for the columns, equally far apart; fields that reach beyond the input count whole.
    Raises InspectionError for a layer without maps.
    """
    first, apart = 0.5, 1
    _checked(name, 0, 0)
    for layer, step in _geometry().items():
        first += ((step.kernel - 1) / 2 - step.padding) * apart
        apart *= step.stride
        if layer == name:
            break
    return tuple(first + apart * unit for unit in range(step.after))


@dataclass(frozen=True)
class _Step:
    """Kernel, stride and padding of one layer, and the side of the map before and after it."""

    kernel: int
    stride: int
    padding: int
    before: int
    after: int


@cache
def _geometry() -> dict[str, _Step]:
    """Every layer that has maps, in order."""
    steps: dict[str, _Step] = {}
    with torch.device("meta"), torch.no_grad():
        model = AlexNet()
        before = INPUT_SIZE
        for name, output in model.eval().activations(torch.empty(1, 3, INPUT_SIZE, INPUT_SIZE)):
            if output.ndim != 4:
                break
            layer, after = model.get_submodule(name), int(output.shape[-1])
            kernel, stride, padding = (1, 1, 0)
            if isinstance(layer, nn.Conv2d):
                kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
            elif isinstance(layer, nn.MaxPool2d):
                kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding  # type: ignore[assignment]
            steps[name] = _Step(kernel, stride, padding, before, after)
            before = after
    return steps


def _checked(name: str, row: int, column: int) -> _Step:
    step = _geometry().get(name)
    if step is None:
        raise InspectionError(f"{name!r} has no maps: choose one of {', '.join(_geometry())}.")
    if not (0 <= row < step.after and 0 <= column < step.after):
        raise InspectionError(f"{name} has rows and columns 0 to {step.after - 1}, got ({row}, {column}).")
    return step


def _one_back(step: _Step, box: Box) -> Box:
    def first(unit: int) -> int:
        return max(0, unit * step.stride - step.padding)

    def end(unit: int) -> int:
        return min(step.before, (unit - 1) * step.stride - step.padding + step.kernel)

    return Box(first(box.top), first(box.left), end(box.bottom), end(box.right))
