"""A convolution by Winograd's algorithm, in three tenths of the products, for CPUs on which those take the time.

An image is cut into windows that give 4 x 4 outputs each: 6 x 6 pixels under a 3 x 3 kernel, 8 x 8 under a 5 x 5 one.
With three small constant matrices (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks")

    outputs = A' [ (G kernel G') * (B' window B) ] A

where * multiplies place by place: for each pair of channels 36 products instead of 144, or 64 instead of 400; some are
wasted where the last windows reach beyond the image. Over all windows and channels they are products of matrices. The
backward pass takes the same steps transposed, last to first, and needs nothing but the input and the weight.

The outputs are off by some millionths of their size, those of a plain convolution in float32 by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.polynomial.polynomial import polyfromroots
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.model.compiled import kernels_for

_OUTPUTS = 4  # of a window, along one side
_POINTS = (0, 1, -1, 2, -2, 0.5, -0.5)  # at which polynomials are evaluated; infinity follows them
_BLOCK_VALUES = 4_000_000  # of tiles at a time: what a CPU's caches hold


class Conv2d(nn.Conv2d):
    """The layer, for kernels of 3 x 3 or 5 x 5 pixels with a stride of 1.

    By Winograd's algorithm in a float32 training on a CPU that has AVX2 and no AVX-512 (measured on a Zen 3); outputs
    have channels_last layout then.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, padding: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding)

    def forward(self, x: torch.Tensor, *, biased: bool = True) -> torch.Tensor:
        """biased: False leaves the bias to the caller."""
        bias = self.bias if biased else None
        kernels = self._kernels(x)
        if kernels is None:
            return functional.conv2d(x, self.weight, bias, padding=self.padding)
        y: torch.Tensor = _WinogradConv.apply(x, self.weight, self.padding[0], kernels)
        return y if bias is None else y + bias[:, None, None]

    def _kernels(self, x: torch.Tensor) -> ModuleType | None:
        if not self.training or x.device.type != "cpu" or x.dtype != torch.float32:
            return None
        if torch.is_autocast_enabled("cpu") or torch.backends.cpu.get_cpu_capability() != "AVX2":
            return None
        return kernels_for("winograd", x) if x.shape[2] == x.shape[3] else None


class _WinogradConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, padding: int, kernels: ModuleType) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.kernels = padding, kernels
        images = x.detach().permute(0, 2, 3, 1).contiguous()
        m, per_side, side = _plan(images, weight, padding)
        transformed = _transformed(weight, m.g)
        y = images.new_empty(len(x), side, side, len(weight))
        for block, tiles, products in _blocks(len(x), per_side, transformed):
            kernels.to_tiles(images[block], m.b.T, tiles, (per_side, _OUTPUTS, padding))
            torch.bmm(tiles, transformed, out=products)
            kernels.from_tiles(products, m.a.T, y[block], (per_side, _OUTPUTS, 0))
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        x, weight = ctx.saved_tensors
        images, gradients = (each.detach().permute(0, 2, 3, 1).contiguous() for each in (x, gradient))
        m, per_side, _ = _plan(images, weight, ctx.padding)
        transformed = _transformed(weight, m.g)
        dtransformed = torch.zeros_like(transformed)
        dx = torch.empty_like(images)
        for block, tiles, products in _blocks(len(x), per_side, transformed):
            ctx.kernels.to_tiles(images[block], m.b.T, tiles, (per_side, _OUTPUTS, ctx.padding))
            ctx.kernels.to_tiles(gradients[block], m.a, products, (per_side, _OUTPUTS, 0))
            dtransformed.baddbmm_(tiles.mT, products)
            torch.bmm(products, transformed.mT, out=tiles)
            ctx.kernels.from_tiles(tiles, m.b, dx[block], (per_side, _OUTPUTS, ctx.padding))
        return dx.permute(0, 3, 1, 2), _transformed_back(dtransformed, m.g, weight.shape), None, None


class _Matrices(NamedTuple):
    """T being the side of a window. a: T x 4, b: T x T; g, for both directions at once: T * T x k * k. All float32."""

    a: torch.Tensor
    b: torch.Tensor
    g: torch.Tensor


@cache
def _matrices(kernel: int) -> _Matrices:
    """Those of a kernel x kernel convolution."""
    points = np.array(_POINTS[: _OUTPUTS + kernel - 2])
    others = [np.delete(points, i) for i in range(len(points))]
    b = np.zeros((len(points) + 1,) * 2)
    for i, roots in enumerate([*others, points]):
        b[: len(roots) + 1, i] = polyfromroots(roots)
    distances = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    g = _powers(points, kernel) / np.array([*distances, 1.0])[:, None]
    return _Matrices(*(torch.from_numpy(each).float() for each in (_powers(points, _OUTPUTS), b, np.kron(g, g))))


def _powers(points: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Each point's powers, from 0 on; of infinity, at the end, the highest alone counts."""
    return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1]])


def _plan(images: torch.Tensor, weight: torch.Tensor, padding: int) -> tuple[_Matrices, int, int]:
    """The matrices, the windows along a side of an image (N x H x H x C), and the outputs."""
    kernel = weight.shape[2]
    side = images.shape[1] + 2 * padding - kernel + 1
    return _matrices(kernel), -(-side // _OUTPUTS), side


def _blocks(count: int, per_side: int, transformed: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """The images that are done together, as many for each thread, and room for their tiles of C and of K values.

    It is the same memory for all blocks: that stays in the caches, and some systems clear new memory slowly.
    """
    places, *channels = transformed.shape
    threads, image = torch.get_num_threads(), places * per_side**2
    size = min(count, threads * max(1, round(_BLOCK_VALUES / (threads * image * sum(channels)))))
    rooms = [transformed.new_empty(size * image * c) for c in channels]
    for start in range(0, count, size):
        block = slice(start, min(start + size, count))
        used = (block.stop - start) * image
        tiles, products = (room[: used * c].view(places, -1, c) for room, c in zip(rooms, channels, strict=True))
        yield block, tiles, products


def _transformed(weight: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """`weight` (K x C x k x k) as T * T x C x K."""
    features, channels, kernel, _ = weight.shape
    by_place = weight.detach().permute(2, 3, 1, 0).reshape(kernel**2, -1)
    return (g @ by_place).view(-1, channels, features)


def _transformed_back(gradient: torch.Tensor, g: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The gradient of _transformed's result as that of the weight of this shape."""
    features, channels, kernel, _ = shape
    by_place = g.T @ gradient.flatten(1)
    return by_place.view(kernel, kernel, channels, features).permute(3, 2, 0, 1)
