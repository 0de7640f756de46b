"""What a network says about pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.data.prepare import Picture, to_batch
from core.model.alexnet import AlexNet, InputSpec, normalize

_BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """probabilities: float32, one per class in the order of class_names, summing to 1."""

    class_names: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.class_names[int(self.probabilities.argmax())]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, the best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.class_names[i], float(self.probabilities[i])) for i in order]


def predict(model: AlexNet, images: Sequence[Picture]) -> list[Prediction]:
    """One Prediction a picture (PIL images or uint8 arrays, any size; the centre square counts).

    The model itself is left as it is: one in training mode is judged through a view in evaluation mode.
    Raises ImageError for an array that isn't an image.
    """
    network = evaluation_view(model)
    device = next(model.parameters()).device
    found: list[Prediction] = []
    for start in range(0, len(images), _BATCH):
        pixels = to_batch(images[start : start + _BATCH], model.input_spec.image_size).to(device)
        with torch.inference_mode():
            probabilities = network(normalize(pixels, model.input_spec)).softmax(1).cpu().numpy()
        found += [Prediction(model.class_names, row) for row in probabilities]
    return found


def evaluation_view(model: AlexNet) -> AlexNet:
    """`model` if it is in evaluation mode; else a second AlexNet over the same weights that is."""
    return private_view(model) if model.training else model


def private_view(model: AlexNet) -> AlexNet:
    """A second AlexNet over the same weights, in evaluation mode and without gradients of them: free to be hooked."""
    view = model.without_weights()
    view.load_state_dict(model.state_dict(), assign=True)
    return view.eval().requires_grad_(False)


def network_input(picture: Picture, spec: InputSpec) -> np.ndarray:
    """What the network sees of `picture`, before normalisation: uint8, 227 x 227 x 3."""
    pixels = to_batch([picture], spec.image_size)
    unchanged = InputSpec(spec.image_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return normalize(pixels, unchanged)[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
