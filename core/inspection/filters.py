"""The weights of a convolution layer, as pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.errors import InspectionError
from core.inspection.mosaic import colormap, sheet_columns, to_sheet
from core.model.alexnet import CONV_LAYERS, AlexNet


def filter_weights(model: AlexNet, layer: str, channel: int) -> np.ndarray:
    """The kernel of one output channel: float32, input channels x height x width.

    Raises InspectionError for a layer or channel that isn't there.
    """
    if layer not in CONV_LAYERS:
        raise InspectionError(f"There is no convolution layer {layer!r}: choose one of {', '.join(CONV_LAYERS)}.")
    weight = model.get_parameter(f"{layer}.weight")
    if not 0 <= channel < len(weight):
        raise InspectionError(f"{layer} has channels 0 to {len(weight) - 1}, got {channel}.")
    kernel: np.ndarray = weight[channel].detach().float().cpu().contiguous().numpy()
    return kernel


def filter_sheet(weights: np.ndarray, columns: int = 12) -> Image.Image:
    """All kernels of conv1 (float32, N x 3 x k x k) as one RGB picture, one pixel a weight and one between kernels.

    Each kernel has a scale of its own: at first all are small, and their patterns are what is looked for.
    """
    reach = np.maximum(np.abs(weights).max((1, 2, 3), keepdims=True), 1e-12)
    pixels = np.round(127.5 + 127.5 * weights / reach).astype(np.uint8)
    apart = np.pad(pixels, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    planes = [to_sheet(apart[:, color], columns, fill=255) for color in range(3)]
    return Image.fromarray(np.stack(planes, -1)[:-1, :-1])


def filter_image(kernel: np.ndarray) -> Image.Image:
    """A kernel as an RGB picture, one pixel a weight.

    Over three input channels (conv1) their weights are red, green and blue, grey where 0. Over more, the input
    channels' kernels lie side by side on one signed scale: red adds, blue takes away, white is 0.
    """
    reach = max(float(np.abs(kernel).max()), 1e-12)
    pixels = np.round(127.5 + 127.5 * kernel / reach).astype(np.uint8)
    if len(kernel) == 3:
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    apart = np.pad(pixels, ((0, 0), (0, 1), (0, 1)), constant_values=128)
    image = Image.fromarray(to_sheet(apart, sheet_columns(len(kernel)), fill=128))
    image.putpalette(colormap("signed").tobytes())
    return image.convert("RGB")
