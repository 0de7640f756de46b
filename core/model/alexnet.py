"""AlexNet as the 2012 paper draws it, on one device: 96-256-384-384-256 channels, LRN, 227 x 227 input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from core.data.images import CIFAR10_CLASSES
from core.model.lrn import local_response_norm
from core.model.pool import MaxPool
from core.model.stretched_conv import stretch, stretched_conv
from core.model.winograd import Conv2d

CONV_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
torch.backends.cudnn.allow_tf32 = False  # float32 shall not mean ten bits; bfloat16 is the fast way
INPUT_SIZE = 227  # pixels
FC_UNITS = 4096  # outputs of fc6, and of fc7
LRN_ALPHA = 1e-4  # the paper's, whose input was 0..255 less the mean


@dataclass(frozen=True)
class InputSpec:
    """How pixels become the network's input: cut square, stored at image_size, normalised, then stretched to 227.

    image_size: side of the training images in pixels; an upload is first brought to this size, so that the network
    sees what it was trained on. mean, std: per channel, in units of 0..255; input = (pixel - mean) / std.
    """

    image_size: int = 32
    mean: tuple[float, float, float] = (125.31, 122.95, 113.87)  # CIFAR-10's training images
    std: tuple[float, float, float] = (62.99, 62.09, 66.70)


class LocalResponseNorm(nn.Module):
    """LRN with the paper's size 5, beta 0.75 and k 2; of relu(x + bias) where a bias is given."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        return local_response_norm(x, size=5, alpha=self.alpha, k=2.0, bias=bias)


class Dropout(nn.Module):
    """Dropout that draws from its own generator, so that nothing else in the process changes a seeded training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand(x.shape, device=x.device, generator=self.generator) >= self.p
        return x * keep.to(x.dtype).div_(1 - self.p)


class Flatten(nn.Module):
    """pool5's maps as one vector. Maps of a smaller input are first stretched to 6 x 6, so that fc6 fits them too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] != 6:
            x = functional.interpolate(x, size=(6, 6), mode="nearest")
        return x.flatten(1)


class AlexNet(nn.Module):
    """The network of Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep CNNs" (2012).

    Its children, in order, are the network: `activations` runs them one after the other, so a layer's name is at once
    the submodule, the prefix in the state dict and the name a user sees. The two towers of the paper, a matter of
    1.5 GB cards, are one here, so the convolutions are not grouped.

    num_classes, class_names: what fc8 tells apart, in the order of its outputs; without names those of CIFAR-10 for ten
    classes, else "class 0" and so on. lrn_alpha: of both LRNs; the default is for pixels of 0..255 less their mean.
    dropout: share of fc6's and fc7's inputs that are dropped while training, 0..1. Raises ValueError where the names
    are not as many as the classes.
    """

    def __init__(
        self,
        num_classes: int = 10,
        *,
        class_names: tuple[str, ...] | None = None,
        input_spec: InputSpec | None = None,
        lrn_alpha: float = LRN_ALPHA,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if class_names is None:
            class_names = CIFAR10_CLASSES if num_classes == 10 else tuple(f"class {i}" for i in range(num_classes))
        if len(class_names) != num_classes:
            raise ValueError(f"{num_classes} classes need as many names, got {len(class_names)}")
        self.class_names = class_names
        self.input_spec = input_spec or InputSpec()

        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.relu1 = nn.ReLU()
        self.lrn1 = LocalResponseNorm(lrn_alpha)
        self.pool1 = MaxPool()
        self.conv2 = Conv2d(96, 256, kernel_size=5, padding=2)
        self.relu2 = nn.ReLU()
        self.lrn2 = LocalResponseNorm(lrn_alpha)
        self.pool2 = MaxPool()
        self.conv3 = Conv2d(256, 384, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = Conv2d(384, 384, kernel_size=3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = Conv2d(384, 256, kernel_size=3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = MaxPool()
        self.flatten = Flatten()
        self.dropout6 = Dropout(dropout)
        self.fc6 = nn.Linear(256 * 6 * 6, FC_UNITS)
        self.relu6 = nn.ReLU()
        self.dropout7 = Dropout(dropout)
        self.fc7 = nn.Linear(FC_UNITS, FC_UNITS)
        self.relu7 = nn.ReLU()
        self.fc8 = nn.Linear(FC_UNITS, num_classes)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def lrn_alpha(self) -> float:
        return self.lrn1.alpha

    def without_weights(self) -> AlexNet:
        """The same network without weights: they are to be loaded with assign=True."""
        with torch.device("meta"):  # no memory and no random numbers
            return AlexNet(
                self.num_classes, class_names=self.class_names, input_spec=self.input_spec, lrn_alpha=self.lrn_alpha
            )

    def forward(self, x: torch.Tensor, size: int | None = None) -> torch.Tensor:
        """Logits (N x num_classes) of normalised images (N x 3 x 227 x 227, floating point).

        Smaller squares from 67 pixels on work too: training on them first is faster. size: stretch `x`, of any size,
        to this one first; on a CPU faster than to do it before, since conv1 need not see the large images.
        """
        if self.training:
            return self._in_fewer_passes(x, size or x.shape[-1])
        x = stretched_conv(x, self.conv1, size) if size else self.conv1(x)
        return self._from(self.relu1, x)

    def _in_fewer_passes(self, x: torch.Tensor, size: int) -> torch.Tensor:
        """The same, waiting less for the memory: LRN adds the bias and does the ReLU; relu1 and relu2 are passed by."""
        x = stretched_conv(x, self.conv1, size, biased=False)
        x = self.pool1(self.lrn1(x, self.conv1.bias))
        x = self.pool2(self.lrn2(self.conv2(x, biased=False), self.conv2.bias))
        return self._from(self.conv3, x)

    def _from(self, first: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Through the layer `first` and all that follow it."""
        layers = list(self.children())
        for layer in layers[layers.index(first) :]:
            x = layer(x)
        return x

    def activations(self, x: torch.Tensor, size: int | None = None) -> Iterator[tuple[str, torch.Tensor]]:
        """Every layer's name and output, from conv1 to fc8, as they are computed; x and size as for forward."""
        for name, layer in self.named_children():
            x = stretched_conv(x, self.conv1, size) if size and layer is self.conv1 else layer(x)
            yield name, x

    def initialize(self, generator: torch.Generator) -> None:
        """Fresh weights: He et al. (2015), normal, fan-in, for all but fc8 (normal, deviation 0.01); biases 0."""
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                deviation = 0.01 if name == "fc8" else math.sqrt(2 / fan_in)
                nn.init.normal_(layer.weight, std=deviation, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def set_dropout(self, p: float) -> None:
        """Drop a share `p` of fc6's and fc7's inputs while training."""
        self.dropout6.p = self.dropout7.p = p

    def use_generator(self, generator: torch.Generator) -> None:
        """Let dropout draw from `generator`, which lives on the network's device."""
        self.dropout6.generator = self.dropout7.generator = generator


def normalize(images: torch.Tensor, spec: InputSpec, size: int | None = INPUT_SIZE) -> torch.Tensor:
    """The network's input (float32, N x 3 x size x size) from pixels (uint8 or float, N x 3 x S x S, 0..255).

    size: to which they are stretched, bilinearly; None leaves them as large as they are.
    """
    mean, std = (_per_channel(values, images.device) for values in (spec.mean, spec.std))
    x = images.float().sub_(mean).div_(std) if images.dtype == torch.uint8 else (images.float() - mean) / std
    return x if size is None else stretch(x, size)


@cache  # a copy to a GPU in each step would make the step wait; a CUDA graph reads these as long as it lives
@torch.inference_mode(False)  # else the first caller decides whether training may use it
def _per_channel(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(values, device=device).view(1, 3, 1, 1)
