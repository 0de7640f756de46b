"""The picture that a channel or a class responds to most, found by climbing its gradient from noise.

Without regularisation that is noise to the eye. Here the picture is built of waves at the resolution of the training
images, the long ones moving first, in colours as they go together in natural pictures (Olah, Mordvintsev and Schubert,
"Feature visualization", 2017), and it is jittered before each step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from core.errors import InspectionError
from core.inspection.feature_maps import require_channel
from core.model.alexnet import INPUT_SIZE, AlexNet, normalize
from core.prediction import evaluation_view

STEPS = 64
#: Called with (done, total, picture so far); may raise StopRequested.
OnStep = Callable[[int, int, np.ndarray], None]

_BATCH = 50
_RATE = 0.05
_JITTER = 16  # pixels of 227
_GAIN = 0.25
_NOISE = 0.01
_SLOPE = 0.01  # what counts of a channel's values below 0: a silent one must find its way up
#: How the colours of natural pictures go together: brightness, blue to orange, green to magenta (Lucid's matrix).
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


@dataclass(frozen=True)
class Channel:
    """The mean over a channel's map, after its ReLU."""

    layer: str
    channel: int


@dataclass(frozen=True)
class Class:
    """The log of the class's odds. Its logit alone also rises with what other classes rise with far more."""

    index: int


Goal = Channel | Class


def maximize(
    model: AlexNet, goal: Goal, on_step: OnStep | None = None, *, steps: int = STEPS, seed: int = 0
) -> np.ndarray:
    """A picture that raises `goal`: uint8, 227 x 227 x 3, the same for the same seed.

    The network runs in evaluation mode, only as far as needed, and is left as it is. Raises InspectionError for a
    goal that isn't there, and what on_step raises.
    """
    _check(model, goal)
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    side = min(model.input_spec.image_size, INPUT_SIZE)
    waves = torch.randn(3, side, side // 2 + 1, 2, generator=generator).mul_(_NOISE).to(device).requires_grad_()
    optimizer = torch.optim.Adam([waves], lr=_RATE)
    with torch.enable_grad():
        for step in range(steps):
            x = normalize(_picture(waves, side), model.input_spec)
            offset = torch.randint(-_JITTER, _JITTER + 1, (2,), generator=generator).tolist()
            value = _climb(_output(model, torch.roll(x, offset, (2, 3)), goal), goal)
            (waves.grad,) = torch.autograd.grad(-value, waves)  # not backward(): the weights are shared
            optimizer.step()
            if on_step is not None:
                on_step(step + 1, steps, _to_bytes(waves, side))
    return _to_bytes(waves, side)


def response(model: AlexNet, goal: Goal, pictures: np.ndarray) -> np.ndarray:
    """How far each picture (uint8, N x S x S x 3, stretched to 227 as they are) meets `goal`: float32, N.

    Raises InspectionError for a goal that isn't there.
    """
    _check(model, goal)
    device = next(model.parameters()).device
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            pixels = torch.tensor(pictures[start : start + _BATCH], device=device).permute(0, 3, 1, 2)
            output = _output(model, normalize(pixels, model.input_spec), goal)
            found.append(output.relu().mean((1, 2)) if isinstance(goal, Channel) else output)
    return torch.cat(found).cpu().numpy()


def _check(model: AlexNet, goal: Goal) -> None:
    if isinstance(goal, Channel):
        require_channel(goal.layer, goal.channel)
    elif not 0 <= goal.index < model.num_classes:
        raise InspectionError(f"The network has no class {goal.index}: its classes are 0 to {model.num_classes - 1}.")


def _output(model: AlexNet, x: torch.Tensor, goal: Goal) -> torch.Tensor:
    """The channel's map before its ReLU, N x H x W; of a class the log of its odds, N."""
    wanted = goal.layer if isinstance(goal, Channel) else "fc8"
    output = next(output for name, output in evaluation_view(model).activations(x) if name == wanted)
    if isinstance(goal, Channel):
        return output[:, goal.channel]
    others = torch.arange(model.num_classes, device=output.device) != goal.index
    odds: torch.Tensor = output[:, goal.index] - output[:, others].logsumexp(1)
    return odds


def _climb(output: torch.Tensor, goal: Goal) -> torch.Tensor:
    """What is climbed, a number with a gradient everywhere."""
    return output.relu().mean() + _SLOPE * output.mean() if isinstance(goal, Channel) else output.sum()


def _picture(waves: torch.Tensor, side: int) -> torch.Tensor:
    """Pixels (float32, 1 x 3 x side x side, 0..255) from the strength of each wave (3 x side x (side // 2 + 1) x 2)."""
    scale, colours = _scale(side).to(waves.device), torch.tensor(_COLOURS, device=waves.device)
    values = torch.fft.irfft2(torch.view_as_complex(waves) * scale, s=(side, side), norm="ortho")
    return 255 * torch.einsum("ij,jhw->ihw", colours / colours.norm(dim=0).max(), values).sigmoid()[None]


def _scale(side: int) -> torch.Tensor:
    """How much each wave weighs: one over its frequency, as in natural pictures."""
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]).clamp(min=1 / side)
    scale: torch.Tensor = (_GAIN * side**0.5) / (frequency * (1 / frequency).mean())
    return scale


def _to_bytes(waves: torch.Tensor, side: int) -> np.ndarray:
    with torch.no_grad():
        pixels = functional.interpolate(_picture(waves, side), (INPUT_SIZE, INPUT_SIZE), mode="bilinear")[0]
        picture: np.ndarray = pixels.round().byte().permute(1, 2, 0).cpu().numpy()
    return picture
