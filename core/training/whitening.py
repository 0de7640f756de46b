"""Filters for conv1 to begin with: the principal components of the training images' patches, whitened.

Neighbouring pixels are much alike, in stretched images most of all: 88 % of what a random filter answers to CIFAR-10 is
brightness. Here each pattern has filters of its own, and the strong ones are as quiet as the rest. Jordan 2024, "94% on
CIFAR-10 in 3.29 seconds on a single GPU", has such a first layer; here it goes on learning.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from core.data.images import ImageSet
from core.model.alexnet import InputSpec, normalize

_MOST_IMAGES = 256
_STRIDE = 8  # pixels of the network's input between patches
_FAINTEST = 1e-3  # the least that counts as a pixel's variance: images without any contrast have none
_CHUNK = 32  # images whose patches are in memory at once: 36 MB


@torch.no_grad()
def whiten(conv: nn.Conv2d, images: ImageSet, spec: InputSpec) -> None:
    """Set the weights of `conv`, which sees the network's input, from patches of `images`; its bias stays.

    Two filters, one the other's negative, for each principal component of the patches, the strongest first. Their
    length is 1 / sqrt(v + p), where v is the component's variance and p a pixel's: nearly white above that, and what is
    fainter is not made louder, for it is mostly noise. An odd filter at the end keeps its weights.
    """
    moments = _second_moments(conv, images, spec)
    variances, patterns = torch.linalg.eigh(moments)  # ascending
    of_pixel = variances.mean().clamp(min=_FAINTEST)
    filters = (patterns / (variances.clamp(min=0) + of_pixel).sqrt()).T.flip(0)
    pairs = min(conv.out_channels // 2, len(filters))
    half = filters[:pairs].float().view(pairs, *conv.weight.shape[1:])
    conv.weight[: 2 * pairs] = torch.cat([half, -half])


def _second_moments(conv: nn.Conv2d, images: ImageSet, spec: InputSpec) -> torch.Tensor:
    """The mean of patch x patch over the patches of some of `images`: float64, k x k for k weights of a filter."""
    size = conv.kernel_size[0]
    width = conv.weight[0].numel()
    total, count = torch.zeros(width, width, dtype=torch.float64), 0
    for pixels in torch.split(images.spread(_MOST_IMAGES).images, _CHUNK):
        patches = functional.unfold(normalize(pixels, spec), size, stride=_STRIDE).transpose(1, 2).flatten(0, 1)
        total += patches.T @ patches
        count += len(patches)
    return total / count
