"""Measures what the numbers in each layer are like: weights, gradients, outputs."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from core.data.images import ImageSet
from core.model.alexnet import AlexNet, normalize
from core.runs.layer_statistics import LAYERS, QUANTILES, RELU_LAYERS, SAMPLE, LayerStatistics

_MOST_VALUES = 1 << 16  # that quantiles are taken of: fc6 has 38 million weights, and sorting them takes seconds


def measure_layers(model: AlexNet, images: ImageSet, precision: torch.dtype) -> LayerStatistics:
    """One pass forward and back of all `images` at once, at full size, computed in `precision`.

    Changes nothing that a training depends on: no weights, no .grad, no generator.
    """
    outputs = _outputs(model, images, precision)
    loss = functional.cross_entropy(outputs["fc8"].float(), images.labels.to(outputs["fc8"].device))
    weights = [model.get_parameter(f"{layer}.weight") for layer in LAYERS]
    kinds = weights, torch.autograd.grad(loss, weights), [outputs[layer] for layer in LAYERS]
    zero = [outputs[f"relu{layer[-1]}"] == 0 for layer in RELU_LAYERS]
    return LayerStatistics(
        quantiles=_table([[_quantiles(values.detach()) for values in layers] for layers in kinds]),
        rms=_table([[_rms(values.detach()) for values in layers] for layers in kinds]),
        zeros=_table([is_zero.float().mean() for is_zero in zero]),
        silent=_table([is_zero.transpose(0, 1).flatten(1).all(1).float().mean() for is_zero in zero]),
        sample=_table([_drawn(values.detach(), SAMPLE) for values in weights]),
    )


def _outputs(model: AlexNet, images: ImageSet, precision: torch.dtype) -> dict[str, torch.Tensor]:
    """What each layer answers, without dropout."""
    device = model.conv1.weight.device
    was_training = model.training
    model.eval()
    try:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            return dict(model.activations(normalize(images.images.to(device), model.input_spec)))
    finally:
        model.train(was_training)


def _quantiles(values: torch.Tensor) -> torch.Tensor:
    values = _drawn(values, _MOST_VALUES) if values.numel() > _MOST_VALUES else values.float().flatten()
    return torch.quantile(values, torch.tensor(QUANTILES, device=values.device))


def _drawn(values: torch.Tensor, count: int) -> torch.Tensor:
    """`count` of the values, float32, from the same places each time."""
    places = torch.randint(values.numel(), (count,), generator=torch.Generator().manual_seed(0))
    return values.flatten()[places.to(values.device)].float()


def _rms(values: torch.Tensor) -> torch.Tensor:
    # In float32 the squares of small gradients would be 0.
    norm: torch.Tensor = torch.linalg.vector_norm(values, dtype=torch.float64)
    return (norm / math.sqrt(values.numel())).float()


def _table(cells: list[torch.Tensor] | list[list[torch.Tensor]]) -> np.ndarray:
    """A list, or rows, of tensors of one shape as one array, float32."""
    rows = [torch.stack(cell) if isinstance(cell, list) else cell for cell in cells]
    table: np.ndarray = torch.stack(rows).cpu().numpy()
    return table
