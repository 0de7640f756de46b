"""How long a viewer waits for one picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from core.bench.results import Latency
from core.inspection.feature_maps import feature_maps
from core.model.alexnet import CONV_LAYERS, AlexNet
from core.prediction import predict


def untrained() -> AlexNet:
    """A network as it is before its first step, on the CPU."""
    model = AlexNet()
    model.initialize(torch.Generator().manual_seed(0))
    return model.requires_grad_(False).eval()


def latency(model: AlexNet, calls: int) -> Latency:
    """The medians of `calls` calls after one that is dropped, on one random picture of the training images' size."""
    side = model.input_spec.image_size
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Latency(
        prediction_ms=_median_ms(lambda: predict(model, [picture]), calls),
        feature_maps_ms=_median_ms(lambda: [feature_maps(model, picture, layer) for layer in CONV_LAYERS], calls),
    )


def _median_ms(look: Callable[[], object], calls: int) -> float:
    look()
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        look()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
