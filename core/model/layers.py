"""The layer table: what each layer is, what comes out of it, what it costs and how far it sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from core.model.alexnet import INPUT_SIZE, AlexNet, Dropout, Flatten, LocalResponseNorm
from core.model.pool import MaxPool
from core.model.winograd import Conv2d

_KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "convolution",
    Conv2d: "convolution",
    nn.ReLU: "ReLU",
    LocalResponseNorm: "local response norm",
    MaxPool: "max pool",
    Flatten: "flatten",
    Dropout: "dropout",
    nn.Linear: "fully connected",
}


@dataclass(frozen=True)
class LayerInfo:
    """One layer of the network, for one image.

    output_shape: C x H x W, or (features,). multiply_adds: of the forward pass.
    receptive_field, stride: in input pixels. offset: input coordinate of the first unit's field's first pixel,
    negative where padding is part of it. From flatten on, a unit sees the whole input and has no neighbours: stride
    and offset are None.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int
    stride: int | None
    offset: int | None


def _pair(value: int | tuple[int, ...] | str) -> int:
    """Kernel, stride or padding of a square layer as one number."""
    if isinstance(value, str):
        raise TypeError(f"named padding {value!r} is not supported")
    return value if isinstance(value, int) else value[0]


def layer_table() -> list[LayerInfo]:
    """Every layer of the network with ten classes, in order, derived from its modules and one pass without data."""
    with torch.device("meta"):
        model = AlexNet().eval()
        image = torch.empty(1, 3, INPUT_SIZE, INPUT_SIZE, dtype=torch.float32)
    rows: list[LayerInfo] = []
    field, stride, offset = 1, 1, 0
    has_maps = True
    with torch.no_grad():
        for name, output in model.activations(image):
            layer = model.get_submodule(name)
            shape = tuple(output.shape[1:])
            if isinstance(layer, nn.Conv2d | MaxPool):
                field += (_pair(layer.kernel_size) - 1) * stride
                offset -= _pair(layer.padding) * stride
                stride *= _pair(layer.stride)
            if isinstance(layer, Flatten):
                field, has_maps = INPUT_SIZE, False
            rows.append(
                LayerInfo(
                    name=name,
                    kind=_KINDS[type(layer)],
                    output_shape=shape,
                    parameters=sum(p.numel() for p in layer.parameters()),
                    multiply_adds=_multiply_adds(layer, shape),
                    receptive_field=field,
                    stride=stride if has_maps else None,
                    offset=offset if has_maps else None,
                )
            )
    return rows


def _multiply_adds(layer: nn.Module, output_shape: tuple[int, ...]) -> int:
    if isinstance(layer, nn.Conv2d):
        return layer.weight.numel() * output_shape[1] * output_shape[2]
    return layer.weight.numel() if isinstance(layer, nn.Linear) else 0
