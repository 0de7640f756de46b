"""Values over the photo that they belong to."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.errors import InspectionError
from core.inspection.mosaic import colormap

_FULL_COLOR_PERCENTILE = 99  # of the absolute values: a few outliers must not pale all the rest


def overlay(photo: np.ndarray, values: np.ndarray, opacity: float, *, signed: bool | None = None) -> Image.Image:
    """`values` in colours over `photo` in grey (so that every colour belongs to a value): RGB, of the photo's size.

    photo: uint8, H x W x 3. values: floating point, h x w, stretched bilinearly where they are fewer than the pixels.
    opacity: 0 (the photo alone) to 1 (the values alone). Signed values run from blue over white (0) to red, others from
    0 up in viridis; by default they count as signed where one is below 0. The scale ends at `color_limit(values)`.
    Raises InspectionError for an opacity outside 0..1 or values that aren't finite.
    """
    if not 0 <= opacity <= 1:
        raise InspectionError(f"The opacity lies between 0 and 1, got {opacity}.")
    height, width = photo.shape[:2]
    stretched = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    unit = np.clip(np.asarray(stretched) / color_limit(values), -1, 1)
    if signed is None:
        signed = bool((values < 0).any())
    level = 127.5 + 127.5 * unit if signed else 255 * np.maximum(unit, 0)
    colors = Image.fromarray(colormap("signed" if signed else "viridis")[np.round(level).astype(np.uint8)])
    return Image.blend(Image.fromarray(photo).convert("L").convert("RGB"), colors, opacity)


def color_limit(values: np.ndarray) -> float:
    """The value at the end of the colour scale: the 99th percentile of the absolute values, above 0."""
    if not np.isfinite(values).all():
        raise InspectionError("The values to draw over the photo hold NaN or infinity: the network has diverged.")
    magnitude = np.abs(values)
    return float(np.percentile(magnitude, _FULL_COLOR_PERCENTILE)) or float(magnitude.max()) or 1.0
