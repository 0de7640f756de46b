"""Which pixels speak for a class: Grad-CAM, saliency, integrated gradients and occlusion, computed by Captum.

All four explain one number, the class's score before the softmax: its probability also moves with the other classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from core.data.prepare import Picture, to_batch
from core.errors import InspectionError
from core.model.alexnet import INPUT_SIZE, AlexNet, normalize
from core.prediction import private_view
from core.progress import OnProgress, no_progress

Method = Literal["grad-cam", "saliency", "integrated-gradients", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)
_Forward = Callable[[torch.Tensor], torch.Tensor]

SQUARE = 31  # pixels, the side of what occlusion covers: four to five pixels of a CIFAR-10 image
STRIDE = 14  # pixels between its 15 x 15 places, the last of which ends at the edge
_PLACES = ((INPUT_SIZE - SQUARE) // STRIDE + 1) ** 2
_PLACES_AT_ONCE = 45
_STEPS = 32
_STEPS_AT_ONCE = 16


@dataclass(frozen=True)
class Attribution:
    """What each pixel of the network's input does for the score of class number `target`.

    values: float32, 227 x 227. gap: how far integrated gradients are from adding up, in units of the score; None for
    the other methods.
    """

    method: Method
    target: int
    values: np.ndarray
    gap: float | None = None

    @property
    def is_signed(self) -> bool:
        """Whether values below 0, which speak against the class, can occur."""
        return self.method in ("integrated-gradients", "occlusion")


def attribute(
    model: AlexNet, image: Picture, method: Method, target: int, progress: OnProgress = no_progress
) -> Attribution:
    """How `method` explains the score of class number `target` (any, not only the predicted one) on one picture.

    grad-cam: conv5's maps after their ReLU, weighted by the mean gradient of the score, summed, those below 0 cut off,
    stretched bilinearly from 13 x 13 (Selvaraju et al. 2017). saliency: the size of the score's gradient at each pixel,
    the largest over the colours (Simonyan et al. 2014). integrated-gradients: the gradient along the straight way from
    the mean image to this one (32 Gauss-Legendre steps), times the difference, summed over the colours (Sundararajan
    et al. 2017). occlusion: how much the score falls when a square of 31 x 31 pixels is grey as the mean image, at
    15 x 15 places, overlapping ones averaged (Zeiler and Fergus 2014, who drew the probability).

    progress counts the places of occlusion and the steps of integrated gradients; what it raises ends the work. `model`
    is left as it is and may be in use elsewhere meanwhile.
    Raises InspectionError for an unknown method or class and where Captum isn't installed; ImageError for no image.
    """
    if method not in METHODS:
        raise InspectionError(f"There is no attribution method {method!r}: choose one of {', '.join(METHODS)}.")
    if not 0 <= target < model.num_classes:
        raise InspectionError(f"The network has classes 0 to {model.num_classes - 1}, got {target}.")
    pixels = to_batch([image], model.input_spec.image_size).to(next(model.parameters()).device)
    x = normalize(pixels, model.input_spec).contiguous(memory_format=torch.channels_last)  # a quarter faster on a CPU
    values, gap = _attribute(private_view(model), x, method, target, progress)
    return Attribution(method, target, values.detach().float().cpu().numpy(), gap)


def _attribute(
    network: AlexNet, x: torch.Tensor, method: Method, target: int, progress: OnProgress
) -> tuple[torch.Tensor, float | None]:
    """The values (227 x 227) and the gap, for the normalised input `x`, in which the mean image is 0."""
    try:
        from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
    except ImportError as error:
        raise InspectionError("Attribution needs Captum, which is not installed: pip install captum.") from error

    if method == "grad-cam":
        maps = LayerGradCam(network, network.relu5).attribute(x.requires_grad_(), target, relu_attributions=True)
        return LayerAttribution.interpolate(maps, (INPUT_SIZE, INPUT_SIZE), "bilinear")[0, 0], None
    if method == "saliency":
        return Saliency(network).attribute(x.requires_grad_(), target)[0].amax(0), None
    if method == "integrated-gradients":
        values, gap = IntegratedGradients(_counting(network, _STEPS, progress)).attribute(
            x, target=target, n_steps=_STEPS, internal_batch_size=_STEPS_AT_ONCE, return_convergence_delta=True
        )
        return values[0].sum(0), gap.item()
    seen = torch.ones_like(x[:, :1])  # to cover this instead of three colours takes a third of Captum's work
    covered = _counting(lambda seen: network(x * seen), _PLACES, progress)
    values = Occlusion(covered).attribute(
        seen, (1, SQUARE, SQUARE), (1, STRIDE, STRIDE), target=target, perturbations_per_eval=_PLACES_AT_ONCE
    )
    return values[0, 0], None


def _counting(network: _Forward, total: int, progress: OnProgress) -> _Forward:
    """`network`, counting the images it is given up to `total`; one alone is a reference and doesn't count."""
    done = 0

    def forward(x: torch.Tensor) -> torch.Tensor:
        nonlocal done
        scores: torch.Tensor = network(x)
        if len(x) > 1:
            done += len(x)
            progress(done, total, f"{done} of {total}")
        return scores

    return forward
