"""One channel over the course of a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import colormap

_GAP = 2  # map pixels between two moments
_GAP_GREY = 128


def channel_film(moments: Sequence[FeatureMaps], channel: int) -> Image.Image:
    """The channel's map at each moment, side by side on one colour scale from 0 to the greatest value of all: RGB.

    Maps after the ReLU, of one layer and one picture.
    """
    maps = np.stack([moment.values[channel] for moment in moments])
    levels = np.round(maps * (255 / max(float(maps.max()), 1e-12))).clip(0, 255).astype(np.uint8)
    frames = np.pad(colormap("viridis")[levels], ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=_GAP_GREY)
    return Image.fromarray(np.concatenate(list(frames), axis=1)[:, :-_GAP])


def evenly(epochs: Sequence[float], count: int) -> tuple[float, ...]:
    """At most `count` of `epochs`, the first and the last among them, as far apart as can be."""
    if len(epochs) <= count:
        return tuple(epochs)
    return tuple(epochs[i] for i in np.linspace(0, len(epochs) - 1, count).round().astype(int))
