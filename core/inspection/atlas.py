"""The channel atlas: what every channel of every convolution layer does over a whole set of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LayerAtlas:
    """One convolution layer over a set of images, after its ReLU; C channels, K classes, one row a channel.

    mean: float32 C, over all images and positions. active: float32 C, the share of images on which the channel is above
    0 anywhere, 0..1. peak: float32 C, the greatest activation.
    class_means: float32 C x K, mean activation on each class; nan for a class without images.
    selectivity: float32 C, 0..1, of class means: (best - mean of the others) / (best + mean of the others), as Morcos,
    Barrett, Rabinowitz and Botvinick, "On the importance of single directions for generalization" (2018).
    best_class: int64 C, the class of that best mean, an index into class_names. Both are 0 for a dead channel.
    twin: int64 C, the channel of a lower number that this one nearly duplicates, -1 for none.
    top_images: int32 C x 9, positions of the images with the greatest activations, strongest first, the earlier image
    first where two are equal; -1 where fewer images are active. top_rows, top_columns: int16 C x 9, the unit of the map
    with that activation, the first in reading order. top_values: float32 C x 9, the activation.
    """

    mean: np.ndarray
    active: np.ndarray
    peak: np.ndarray
    class_means: np.ndarray
    selectivity: np.ndarray
    best_class: np.ndarray
    twin: np.ndarray
    top_images: np.ndarray
    top_rows: np.ndarray
    top_columns: np.ndarray
    top_values: np.ndarray

    @property
    def dead(self) -> np.ndarray:
        """bool C: the channels that are 0 everywhere on every image."""
        dead: np.ndarray = self.active == 0
        return dead
