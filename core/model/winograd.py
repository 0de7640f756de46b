"""A convolution by Winograd's algorithm, in a tenth to a fifth of the products, for CPUs on which those take the time.

An image is cut into windows that give m x m outputs each, m being 5 or 7: of (m + k - 1)^2 pixels under a k x k kernel.
With three small constant matrices (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks")

    outputs = A' [ (G kernel G') * (B' window B) ] A

where * multiplies place by place: for each pair of channels 121 products instead of 1,225 (m = 7, k = 5), or 81 instead
of 441 (k = 3); some are wasted where the last windows reach beyond the image. Over all windows and channels they are
products of matrices. The backward pass takes the same steps transposed, last to first; for it the windows of the input
are kept as they were transformed, in float32: 2 MB an image at 227 pixels, for all layers together.

What comes between is float32 for bfloat16 images too: most of its digits cancel out. Outputs and gradients are off by
up to about a ten-thousandth of their norm; those of a plain convolution by less than a millionth in float32, and by
some thousandths in bfloat16. What is no number in one pixel spreads over the windows that hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.polynomial.polynomial import polyfromroots
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.model.compiled import kernels_for

_OUTPUTS = (5, 7)  # of a window, along one side: what there is to choose from
_POINTS = {  # at which polynomials are evaluated, by their number; infinity follows. Of many tried these round least
    6: (0, 0.6, -0.6, 1.25, -1.25, 3),
    8: (0, 0.4, -0.4, 0.9, -0.9, 1.5, -1.5, -3.5),
    10: (0, 0.6, -0.6, 1, -1, 1.25, -1.25, 3, -3, 0.25),
}
_BLOCK_WINDOWS = 256  # done at a time: fewer made the products slower, more gained nothing (Zen 5)


class Conv2d(nn.Conv2d):
    """The layer, for kernels of 3 x 3 or 5 x 5 pixels with a stride of 1.

    By Winograd's algorithm in a training on a CPU where that is faster, if its channels are multiples of 16; outputs
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
        return y if bias is None else y + bias[:, None, None].to(y.dtype)

    def _kernels(self, x: torch.Tensor) -> ModuleType | None:
        is_autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_autocast else x.dtype
        if not self.training or x.device.type != "cpu" or x.dtype != dtype or x.shape[2] != x.shape[3]:
            return None
        kernels = kernels_for("winograd", x) if _is_faster(dtype) else None
        if kernels and (self.in_channels % kernels.LANES or self.out_channels % kernels.LANES):
            return None
        return kernels


def _is_faster(dtype: torch.dtype) -> bool:
    """Whether it is on this CPU: measured on a Zen 5, and with AVX2 alone on one that was told to use no more.

    Not where there are matrix units: in bfloat16 they do all products of a convolution in less time.
    """
    widest = torch.backends.cpu.get_cpu_capability()
    return (widest == "AVX2" and dtype == torch.float32) or (widest == "AVX512" and not _has_matrix_units())


def _has_matrix_units() -> bool:
    """Only a private probe tells in each torch that will do; with one that drops it, convolutions stay plain."""
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return not callable(probe) or probe() is True


class _WinogradConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, padding: int, kernels: ModuleType) -> torch.Tensor:
        images = x.detach().permute(0, 2, 3, 1).contiguous()
        plan = _plan(images, weight, padding)
        y = images.new_empty(len(x), plan.side, plan.side, len(weight))
        kept = []
        with _float32_products():
            transformed = _transformed(weight, plan.g)
            for block, products in plan.blocks(len(x), len(weight)):
                tiles = plan.tiles(len(images[block]), x.shape[1])
                kernels.to_tiles(images[block], plan.b.T, tiles, plan.inputs)
                torch.bmm(_matrices_of(tiles), transformed, out=_matrices_of(products))
                kernels.from_tiles(products, plan.a.T, y[block], plan.outputs)
                kept.append(tiles)
        ctx.save_for_backward(weight, transformed, *kept)
        ctx.plan, ctx.kernels, ctx.shape = plan, kernels, images.shape
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        weight, transformed, *kept = ctx.saved_tensors
        plan, kernels = ctx.plan, ctx.kernels
        gradients = gradient.detach().permute(0, 2, 3, 1).contiguous()
        dx = gradients.new_empty(ctx.shape)
        dtransformed = torch.empty_like(transformed)
        with _float32_products():
            blocks = zip(plan.blocks(len(dx), len(weight)), plan.blocks(len(dx), weight.shape[1]), kept, strict=True)
            for (block, products), (_, dtiles), tiles in blocks:
                kernels.to_tiles(gradients[block], plan.a, products, plan.outputs)
                each = _matrices_of(tiles).mT, _matrices_of(products)
                if block.start == 0:
                    torch.bmm(*each, out=dtransformed)
                else:
                    dtransformed.baddbmm_(*each)
                torch.bmm(_matrices_of(products), transformed.mT, out=_matrices_of(dtiles))
                kernels.from_tiles(dtiles, plan.b, dx[block], plan.inputs)
            dweight = _transformed_back(dtransformed, plan.g, weight)
        return dx.permute(0, 3, 1, 2), dweight, None, None


@contextmanager
def _float32_products() -> Iterator[None]:
    """Products in here are float32, by oneDNN where there is AVX-512: MKL uses that on Intel's CPUs alone.

    oneDNN's setting allows for bfloat16, which it then uses only where there are matrix units. It is the whole
    process's: what other threads multiply meanwhile is oneDNN's too, and as exact.
    """
    settings = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = settings.fp32_precision
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        settings.fp32_precision = "bf16"
    try:
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        settings.fp32_precision = before


def _matrices_of(tiles: torch.Tensor) -> torch.Tensor:
    """One for each place of a tile: all windows x channels."""
    return tiles.flatten(1, 3)


class _Plan(NamedTuple):
    """How a convolution is cut into windows. T being the side of a window, float32:

    a: T x m; b: T x T; g, for both directions at once: T * T x k * k. side: of the outputs. inputs, outputs: how many
    windows there are along a side, how many pixels apart, and how many of the first one's are outside.
    """

    a: torch.Tensor
    b: torch.Tensor
    g: torch.Tensor
    side: int
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]

    def tiles(self, count: int, channels: int) -> torch.Tensor:
        """Room for those of so many images: T * T x N x P x P x C, float32."""
        return torch.empty(len(self.g), count, self.inputs[0], self.inputs[0], channels)

    def blocks(self, count: int, channels: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """The images that are done together, as many for each thread, and room for tiles of theirs.

        It is the same memory for all blocks: some systems clear new memory slowly.
        """
        threads, per_side = torch.get_num_threads(), self.inputs[0]
        size = min(count, threads * max(1, round(_BLOCK_WINDOWS / (threads * per_side**2))))
        room = self.tiles(size, channels).flatten()
        for start in range(0, count, size):
            block = slice(start, min(start + size, count))
            shape = (len(self.g), block.stop - start, per_side, per_side, channels)
            yield block, room[: prod(shape)].view(shape)


def _plan(images: torch.Tensor, weight: torch.Tensor, padding: int) -> _Plan:
    """The one with the fewest products for these images, N x H x H x C."""
    kernel = weight.shape[2]
    side = images.shape[1] + 2 * padding - kernel + 1

    def products(outputs: int) -> int:
        return ((outputs + kernel - 1) * -(-side // outputs)) ** 2

    outputs = min(_OUTPUTS, key=products)
    per_side = -(-side // outputs)
    return _Plan(*_matrices(outputs, kernel), side, (per_side, outputs, padding), (per_side, outputs, 0))


@cache
def _matrices(outputs: int, kernel: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """a, b and g of a plan."""
    points = np.array(_POINTS[outputs + kernel - 2])
    others = [np.delete(points, i) for i in range(len(points))]
    b = np.zeros((len(points) + 1,) * 2)
    for i, roots in enumerate([*others, points]):
        b[: len(roots) + 1, i] = polyfromroots(roots)
    distances = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    g = _powers(points, kernel) / np.array([*distances, 1.0])[:, None]
    single = [torch.from_numpy(each).float() for each in (_powers(points, outputs), b, np.kron(g, g))]
    return single[0], single[1], single[2]


def _powers(points: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Each point's powers, from 0 on; of infinity, at the end, the highest alone counts."""
    return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1]])


def _transformed(weight: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """`weight` (K x C x k x k) as T * T x C x K, float32."""
    features, channels, kernel, _ = weight.shape
    by_place = weight.detach().float().permute(2, 3, 1, 0).reshape(kernel**2, -1)
    return (g @ by_place).view(-1, channels, features)


def _transformed_back(gradient: torch.Tensor, g: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The gradient of _transformed's result as that of `weight`."""
    features, channels, kernel, _ = weight.shape
    by_place = g.T @ gradient.flatten(1)
    return by_place.view(kernel, kernel, channels, features).permute(3, 2, 0, 1).to(weight.dtype)
