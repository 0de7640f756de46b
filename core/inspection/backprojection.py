"""What of a picture raises one unit of a layer: its gradient, taken back to the pixels in one of three ways."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from core.data.prepare import Picture, to_batch
from core.errors import InspectionError
from core.inspection.feature_maps import require_channel
from core.model.alexnet import AlexNet, normalize
from core.prediction import evaluation_view

Way = Literal["gradient", "deconvolution", "guided"]
WAYS: dict[Way, str] = {
    "gradient": "how a small change of each pixel would change the unit",
    "deconvolution": "Zeiler and Fergus (2014): on the way back a ReLU lets through what is above 0, whatever it got",
    "guided": "Springenberg et al. (2015): what it got must be above 0, and so must what comes back",
}


def backproject(
    model: AlexNet, picture: Picture, layer: str, channel: int, unit: tuple[int, int], way: Way
) -> np.ndarray:
    """What each pixel of the network's input does for the unit at row and column `unit` of a channel: before its ReLU.

    float32, 227 x 227 x 3, in units of the activation per unit of a pixel (0..255); 0 beyond the receptive field. The
    network runs in evaluation mode, only as far as needed, and is left as it is.
    Raises InspectionError for a layer, channel, unit or way that isn't there; ImageError for no image.
    """
    require_channel(layer, channel)
    if way not in WAYS:
        raise InspectionError(f"There is no way back {way!r}: choose one of {', '.join(get_args(Way))}.")
    device = next(model.parameters()).device
    pixels = to_batch([picture], model.input_spec.image_size).to(device)
    with torch.enable_grad():
        seen = normalize(pixels, model.input_spec).requires_grad_()
        maps = _up_to(evaluation_view(model), layer, seen, way)[0, channel]
        if not all(0 <= place < side for place, side in zip(unit, maps.shape, strict=True)):
            raise InspectionError(f"{layer} has rows and columns 0 to {len(maps) - 1}, got {unit[0]}, {unit[1]}.")
        (found,) = torch.autograd.grad(maps[unit], seen)
    deviations = torch.tensor(model.input_spec.std, device=device)[:, None, None]
    values: np.ndarray = (found[0] / deviations).permute(1, 2, 0).cpu().numpy()
    return values


def as_picture(values: np.ndarray) -> np.ndarray:
    """What `backproject` found as colours: grey is 0, the greatest of either sign reaches black or white. uint8."""
    greatest = max(float(np.abs(values).max()), 1e-30)
    return np.round(127.5 + 127.5 * values / greatest).astype(np.uint8)


def _up_to(network: AlexNet, layer: str, x: torch.Tensor, way: Way) -> torch.Tensor:
    """The output of `layer`, with ReLUs that go back `way`."""
    for name, part in network.named_children():
        x = _Rectified.apply(x, way) if isinstance(part, nn.ReLU) and way != "gradient" else part(x)
        if name == layer:
            return x
    raise AssertionError(f"{layer} was checked")


class _Rectified(torch.autograd.Function):
    """A ReLU that lets nothing below 0 come back: instead of its own rule (deconvolution), or besides (guided)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, way: Way) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.way = way
        return x.relu()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        back = gradient.relu()
        return back if ctx.way == "deconvolution" else back * (x > 0), None
