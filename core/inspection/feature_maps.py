"""The feature maps of any convolution layer, at any of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch

from core.data.prepare import Picture, to_batch
from core.errors import InspectionError
from core.model.alexnet import CONV_LAYERS, AlexNet, normalize
from core.prediction import evaluation_view

STAGES = {"conv": "convolution output", "relu": "after ReLU", "lrn": "after LRN", "pool": "after pooling"}


@dataclass(frozen=True)
class FeatureMaps:
    """The activations of one picture. values: float32, C x H x W, as the network computed them."""

    layer: str
    stage: str
    values: np.ndarray

    @property
    def is_signed(self) -> bool:
        """Whether values below 0 can occur: before the ReLU only."""
        return self.stage == "conv"

    def statistics(self) -> pd.DataFrame:
        """A row per channel: min, mean, max, share of zeros (0..1)."""
        flat = self.values.reshape(len(self.values), -1)
        return pd.DataFrame(
            {
                "channel": np.arange(len(flat)),
                "min": flat.min(1),
                "mean": flat.mean(1),
                "max": flat.max(1),
                "zeros": (flat == 0).mean(1),
            }
        )


def require_layer(layer: str) -> None:
    """Raises InspectionError for what is no convolution layer."""
    if layer not in CONV_LAYERS:
        raise InspectionError(f"There is no convolution layer {layer!r}: choose one of {', '.join(CONV_LAYERS)}.")


def stages_of(layer: str) -> tuple[str, ...]:
    """The stages that follow `layer` before the next convolution. Raises InspectionError for an unknown layer."""
    require_layer(layer)
    with torch.device("meta"):
        names = dict(AlexNet().named_children())
    return tuple(stage for stage in STAGES if stage + layer.removeprefix("conv") in names)


@cache
def num_channels(layer: str) -> int:
    """How many channels a convolution layer has. Raises InspectionError for an unknown layer."""
    require_layer(layer)
    with torch.device("meta"):
        return len(AlexNet().get_parameter(f"{layer}.bias"))


def require_channel(layer: str, channel: int) -> None:
    """Raises InspectionError for an unknown layer, and for a channel that `layer` hasn't."""
    last = num_channels(layer) - 1
    if not 0 <= channel <= last:
        raise InspectionError(f"{layer} has no channel {channel}: its channels are 0 to {last}.")


def feature_maps(model: AlexNet, image: Picture, layer: str, stage: str = "conv") -> FeatureMaps:
    """All channels of `layer` for one picture, at `stage`: conv, relu, lrn or pool.

    The network runs in evaluation mode and only as far as needed; `model` itself is left as it is.
    Raises InspectionError for a layer or stage that isn't there, ImageError for an array that isn't an image.
    """
    known = stages_of(layer)
    if stage not in known:
        raise InspectionError(f"{layer} has no stage {stage!r}: choose one of {', '.join(known)}.")
    wanted = stage + layer.removeprefix("conv")
    device = next(model.parameters()).device
    pixels = to_batch([image], model.input_spec.image_size).to(device)
    with torch.inference_mode():
        activations = evaluation_view(model).activations(normalize(pixels, model.input_spec))
        output = next(output for name, output in activations if name == wanted)
    return FeatureMaps(layer, stage, output[0].float().contiguous().cpu().numpy())
