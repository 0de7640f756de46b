"""The weights of a convolution layer, as pictures."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image

from core.inspection.feature_maps import require_channel
from core.inspection.mosaic import colormap, sheet_columns, to_sheet
from core.model.alexnet import INPUT_SIZE, AlexNet
from core.model.stretched_conv import windows

_STRIDE = 4  # of conv1
_SHEET_COLUMNS = 12


def filter_weights(model: AlexNet, layer: str, channel: int) -> np.ndarray:
    """The kernel of one output channel: float32, input channels x height x width.

    Raises InspectionError for a layer or channel that isn't there.
    """
    require_channel(layer, channel)
    kernel: np.ndarray = model.get_parameter(f"{layer}.weight")[channel].detach().float().cpu().contiguous().numpy()
    return kernel


def acting(kernels: np.ndarray, image_size: int) -> np.ndarray:
    """conv1's kernels (float32, ... x k x k) as far as they act on stretched images of `image_size` pixels; same shape.

    Stretched images are smooth: most of a kernel never meets a signal in them, and keeps what it began with.
    Here it is C^1/2 kernel C^1/2, where C is the covariance, along an axis, of the pixels under a window if the stored
    ones were independent. The squares sum up to the variance of the kernel's output. Without stretching C is 1.
    """
    root = _excitation(image_size, kernels.shape[-1])
    return (root @ kernels @ root).astype(np.float32)  # type: ignore[no-any-return]


@cache
def _excitation(image_size: int, side: int) -> np.ndarray:
    """C^1/2 of acting: float64, side x side."""
    shares = windows(image_size, INPUT_SIZE, side, _STRIDE).shares
    covariance = torch.einsum("ipu,ipv->uv", shares, shares) / len(shares)
    values, vectors = torch.linalg.eigh(covariance)
    root: np.ndarray = ((vectors * values.clamp_min(0).sqrt()) @ vectors.T).numpy()
    return root


def filter_sheet(kernels: np.ndarray, image_size: int) -> Image.Image:
    """conv1's kernels (float32, N x 3 x k x k), as far as they act, as one RGB picture, one pixel between kernels.

    image_size: of the stored images, in pixels. Each kernel has a scale of its own: at first all are small, and their
    patterns are what is looked for.
    """
    weights = acting(kernels, image_size)
    reach = np.maximum(np.abs(weights).max((1, 2, 3), keepdims=True), 1e-12)
    pixels = np.round(127.5 + 127.5 * weights / reach).astype(np.uint8)
    apart = np.pad(pixels, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    planes = [to_sheet(apart[:, color], _SHEET_COLUMNS, fill=255) for color in range(3)]
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
