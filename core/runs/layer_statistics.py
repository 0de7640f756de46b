"""What the numbers in each layer are like, at one moment of a training or over its course."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model.alexnet import CONV_LAYERS

RELU_LAYERS = (*CONV_LAYERS, "fc6", "fc7")
LAYERS = (*RELU_LAYERS, "fc8")
KINDS = ("weights", "gradients", "outputs")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SAMPLE = 2048  # weights of a layer that are kept; a root mean square over them is right within some 2 %
SHAPES = (
    (len(KINDS), len(LAYERS), len(QUANTILES)), (len(KINDS), len(LAYERS)), (len(RELU_LAYERS),), (len(RELU_LAYERS),),
    (len(LAYERS), SAMPLE),
)  # fmt: skip


@dataclass(frozen=True)
class LayerStatistics:
    """At one moment, or with a leading axis for several; float32.

    Of the network that learns, on a few training images as they are stored, the same at each moment, without dropout:
    its weights (biases apart), the gradients of the cross-entropy with respect to these, and the outputs of its layers
    before the ReLU.

    quantiles: KINDS x LAYERS x QUANTILES. rms: KINDS x LAYERS, the root of the mean square. zeros: RELU_LAYERS, the
    share of the outputs that the ReLU makes 0, 0..1. silent: RELU_LAYERS, the share of the channels (of a fully
    connected layer, the neurons) that are 0 everywhere on all of the images. sample: LAYERS x SAMPLE, some of the
    weights, the same ones at each moment.
    """

    quantiles: np.ndarray
    rms: np.ndarray
    zeros: np.ndarray
    silent: np.ndarray
    sample: np.ndarray

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of its arrays; at one moment SHAPES."""
        return tuple(array.shape for array in vars(self).values())

    @property
    def moved(self) -> np.ndarray:
        """How far the weights are from those of the first of several moments, in units of these: moments x LAYERS.

        Root mean squares over the sample; 1 is as far as the weights were large.
        """
        first = self.sample[0]
        distance: np.ndarray = np.sqrt(np.square(self.sample - first).mean(-1) / np.square(first).mean(-1))
        return distance


def stacked(moments: list[LayerStatistics]) -> LayerStatistics:
    """Those of one moment or more, as one with a leading axis."""
    columns = zip(*(vars(moment).values() for moment in moments), strict=True)
    return LayerStatistics(*(np.stack(column) for column in columns))
