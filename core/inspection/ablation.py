"""Switching channels off: what the network says without them.

A channel is off where its map is 0 after the ReLU, which is what weights and a bias of 0 would give. LRN then lets its
neighbours through a little stronger, as it would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch

from core.data.images import ImageSet
from core.data.prepare import Picture, to_batch
from core.errors import InspectionError
from core.inspection.feature_maps import FeatureMaps, num_channels, require_channel, require_layer
from core.model.alexnet import CONV_LAYERS, AlexNet, normalize
from core.prediction import Prediction, evaluation_view

#: For each convolution layer the channels that are off.
Off = Mapping[str, Collection[int]]
NOTHING_OFF: Off = MappingProxyType({})

_Step = tuple[str, Callable[[torch.Tensor], torch.Tensor]]
_BATCH = 50
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


@dataclass(frozen=True)
class Halfway:
    """Images on their way through the network: what comes into `layer`, whose channels will be switched off.

    maps: float32, N x C x H x W; for conv1 the pixels, uint8, N x 3 x S x S. labels: int64, N.
    """

    layer: str
    maps: torch.Tensor
    labels: np.ndarray


@dataclass(frozen=True)
class Accuracy:
    """overall: 0..1. per_class: float64, one per class, 0..1, nan for a class without images."""

    overall: float
    per_class: np.ndarray


def parse_channels(text: str, layer: str) -> tuple[int, ...]:
    """The channels that `text` lists, such as "3, 17, 40-47", ascending and each once; none for an empty text.

    Raises InspectionError for what is no number or range, and for a channel that `layer` hasn't.
    """
    found: set[int] = set()
    for part in re.sub(r"\s*[-–]\s*", "-", text).replace(",", " ").split():
        match = _RANGE.fullmatch(part)
        if match is None:
            raise InspectionError(f"{part[:40]!r} is no channel: write numbers and ranges, such as 3, 17, 40-47.")
        first, end = int(match[1]), int(match[2] or match[1])
        if first > end:
            raise InspectionError(f"The range {part} runs backwards: write {end}-{first}.")
        require_channel(layer, end)
        found.update(range(first, end + 1))
    return tuple(sorted(found))


def format_channels(channels: Iterable[int]) -> str:
    """Channels as parse_channels reads them: three or more in a row as a range."""
    numbers = sorted(set(channels))
    starts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(numbers)) if b != a + 1), len(numbers)]
    runs = [numbers[start:end] for start, end in pairwise(starts)]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs if run)


def strongest(maps: FeatureMaps, count: int) -> tuple[int, ...]:
    """The `count` channels that respond most to the picture, by the mean of their map, the strongest first."""
    means = maps.values.mean((1, 2))
    return tuple(np.argsort(-means, kind="stable")[:count].tolist())


def predict_without(model: AlexNet, image: Picture, off: Off) -> Prediction:
    """What the network says of one picture with the channels in `off` switched off; `model` is left as it is.

    Raises InspectionError for a layer or channel that isn't there, ImageError for an array that isn't an image.
    """
    for layer, channels in off.items():
        for channel in channels:
            require_channel(layer, channel)
    with torch.inference_mode():
        logits = _run(_steps(model), to_batch([image], model.input_spec.image_size), off)
    return Prediction(model.class_names, logits[0].softmax(0).cpu().numpy())


def single_ablations(
    model: AlexNet, image: Picture, layer: str, on_batch: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """The probabilities of one picture with each channel of `layer` alone switched off: float32, channels x classes.

    A channel that is 0 on this picture changes nothing and isn't computed. on_batch hears (done, total), also before
    the first batch. Raises InspectionError for an unknown layer, ImageError for an array that isn't an image.
    """
    count, steps = num_channels(layer), _steps(model)
    after = _position(steps, layer) + 1
    with torch.inference_mode():
        maps = _run(steps[:after], to_batch([image], model.input_spec.image_size))
        found = _run(steps[after:], maps).softmax(1).repeat(count, 1)
        active = torch.nonzero(maps[0].amax((1, 2)) > 0).flatten()
        for start in range(0, len(active), _BATCH):
            if on_batch is not None:
                on_batch(start, len(active))
            channels = active[start : start + _BATCH]
            batch = maps.repeat(len(channels), 1, 1, 1)
            batch[torch.arange(len(channels)), channels] = 0
            found[channels] = _run(steps[after:], batch).softmax(1)
    return found.cpu().numpy()


def go_halfway(model: AlexNet, images: ImageSet, layer: str) -> Halfway:
    """`images` as they come into `layer`: up to 57 MB for 200 of them. Raises InspectionError for an unknown layer."""
    require_layer(layer)
    steps = _steps(model)
    before = [] if layer == CONV_LAYERS[0] else steps[: _position(steps, layer)]
    with torch.inference_mode():
        maps = torch.cat([_run(before, batch) for batch in torch.split(images.images, _BATCH)])
    return Halfway(layer, maps, images.labels.numpy())


def accuracy_without(
    model: AlexNet, halfway: Halfway, channels: Collection[int], on_batch: Callable[[int, int], None] | None = None
) -> Accuracy:
    """How well the network does from there on with these channels of the layer switched off.

    on_batch hears (done, total) in images, also before the first batch. Raises InspectionError for a channel that
    isn't there.
    """
    for channel in channels:
        require_channel(halfway.layer, channel)
    steps = _steps(model)
    rest = steps if halfway.layer == CONV_LAYERS[0] else steps[_position(steps, halfway.layer) :]
    predicted = np.empty_like(halfway.labels)
    with torch.inference_mode():
        for start in range(0, len(predicted), _BATCH):
            if on_batch is not None:
                on_batch(start, len(predicted))
            logits = _run(rest, halfway.maps[start : start + _BATCH], {halfway.layer: channels})
            predicted[start : start + _BATCH] = logits.argmax(1).cpu().numpy()
    right = predicted == halfway.labels
    counts = np.bincount(halfway.labels, minlength=model.num_classes)
    hits = np.bincount(halfway.labels[right], minlength=model.num_classes)
    per_class = np.divide(hits, counts, out=np.full(model.num_classes, np.nan), where=counts > 0)
    return Accuracy(float(right.mean()), per_class)


def _steps(model: AlexNet) -> list[_Step]:
    """From pixels to logits."""

    def enter(pixels: torch.Tensor) -> torch.Tensor:
        x = normalize(pixels.to(next(model.parameters()).device), model.input_spec)
        return x.contiguous(memory_format=torch.channels_last)

    return [("input", enter), *evaluation_view(model).named_children()]


def _position(steps: Sequence[_Step], layer: str) -> int:
    return [name for name, _ in steps].index(layer)


def _run(steps: Sequence[_Step], x: torch.Tensor, off: Off = NOTHING_OFF) -> torch.Tensor:
    for name, step in steps:
        x = step(x)
        if off.get(name):
            x[:, list(off[name])] = 0  # before the ReLU: it leaves the 0 as it is
    return x
