"""A convolution of images that are stretched first: conv1, several times faster.

On a CPU, without making the large images. Stretching and the convolution are both linear. An output at row i and column
j is therefore a sum over the few stored pixels under its window, with weights of its own; from 32 to 227 pixels those
are 4 x 4 x 3 instead of 11 x 11 x 3:

    folded_ij[r, c] = sum over u, v of rows_i[r, u] * columns_j[c, v] * weight[u, v]

where rows_i[r, u] is the share that stored row r has in row u of window i. The weights are folded anew in each call,
one row of outputs at a time.

On a GPU, over blocks of stride x stride pixels as one pixel of many channels: a convolution of 11 x 11 pixels of 3
channels in steps of 4 is one of 3 x 3 blocks of 48 channels in steps of 1. Three channels leave its matrix units idle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_LARGEST_SHARE = 0.25  # of the plain convolution's products: beyond it, folding pays no longer


@dataclass(frozen=True)
class Windows:
    """Along one axis: output i sees the stored pixels from starts[i] on, each with a share in each of the k places.

    starts: int64, outputs. shares: float64, outputs x pixels x k.
    """

    starts: torch.Tensor
    shares: torch.Tensor


def stretch(x: torch.Tensor, size: int, side: int | None = None) -> torch.Tensor:
    """`x` (N x C x S x S, floating point) as N x C x size x size.

    Bilinear, as `interpolate(mode="bilinear", align_corners=False)`, computed as two small matrix products.
    side: of the result, where it is to be another: cut off, or filled with zeros, at the right and the bottom.
    """
    beyond = 0 if side is None else side - size
    if x.shape[-1] == size:
        return functional.pad(x, (0, beyond) * 2) if beyond else x
    matrix = _bilinear_matrix(x.shape[-1], size, x.device).to(x.dtype)
    if beyond:
        matrix = functional.pad(matrix, (0, 0, 0, beyond))
    return matrix @ (x @ matrix.T)


def stretched_conv(x: torch.Tensor, conv: nn.Conv2d, size: int, *, biased: bool = True) -> torch.Tensor:
    """`conv(stretch(x, size))`, in channels_last layout; gradients reach the convolution's weight and bias.

    In blocks on a GPU. Folded on a CPU where that is faster; not where `x` needs a gradient. conv: square, with a bias,
    without padding, dilation or groups. biased: False leaves the bias to the caller.
    """
    side, kernel, stride = x.shape[-1], conv.kernel_size[0], conv.stride[0]
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    bias = conv.bias if biased else None
    with torch.autocast(device, enabled=False):  # what is rounded is the product's operands, not how they came about
        if device == "cuda":
            return _blocked_conv(x, conv, bias, size, dtype)
        seen = windows(side, size, kernel, stride) if device == "cpu" and not x.requires_grad else None
        if seen is not None and seen.shares.shape[1] ** 2 <= _LARGEST_SHARE * kernel**2:
            added = conv.weight.new_zeros(len(conv.weight)) if bias is None else bias
            return _FoldedConv.apply(x.to(dtype), conv.weight, added, seen)  # type: ignore[no-any-return]
        large = stretch(x, size)
    return functional.conv2d(large.contiguous(memory_format=torch.channels_last), conv.weight, bias, stride)


def _blocked_conv(
    x: torch.Tensor, conv: nn.Conv2d, bias: torch.Tensor | None, size: int, dtype: torch.dtype
) -> torch.Tensor:
    """The same over blocks, computed in `dtype`; blocks at the right and the bottom edge may be in part empty."""
    (count, channels, _, _), kernel, stride = x.shape, conv.kernel_size[0], conv.stride[0]
    reach = math.ceil(kernel / stride)  # blocks under a window
    blocks = (size - kernel) // stride + reach
    large = stretch(x, size, blocks * stride).view(count, channels, blocks, stride, blocks, stride)
    pixels = torch.empty(count, blocks, blocks, stride, stride, channels, dtype=dtype, device=x.device)
    pixels.copy_(large.permute(0, 2, 4, 3, 5, 1))
    empty = reach * stride - kernel
    weight = functional.pad(conv.weight, (0, empty, 0, empty)).view(-1, channels, reach, stride, reach, stride)
    weight = weight.permute(0, 3, 5, 1, 2, 4).flatten(1, 3).to(dtype, memory_format=torch.channels_last)
    return functional.conv2d(pixels.flatten(3).permute(0, 3, 1, 2), weight, None if bias is None else bias.to(dtype))


class _FoldedConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, windows: Windows) -> torch.Tensor:
        shares = windows.shares.to(weight.dtype)
        outputs, width, _ = shares.shape
        columns = _columns(x, windows)
        folded_columns = _fold_columns(weight, shares)
        y = x.new_empty(len(x), outputs, outputs, len(weight))
        for i, start in enumerate(windows.starts.tolist()):
            folded = (shares[i] @ folded_columns).view(outputs, -1, len(weight)).to(x.dtype)
            pixels = columns[:, :, start : start + width].flatten(2)
            torch.baddbmm(bias.to(x.dtype), pixels, folded, out=y[:, i].transpose(0, 1))
        ctx.save_for_backward(columns, weight)
        ctx.windows = windows
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor, torch.Tensor | None, None]:
        columns, weight = ctx.saved_tensors
        shares = ctx.windows.shares.to(weight.dtype)
        outputs, width, _ = shares.shape
        gradient = gradient.permute(0, 2, 3, 1)
        folded = weight.new_empty(outputs, outputs, width, columns.shape[-1] * len(weight))
        for i, start in enumerate(ctx.windows.starts.tolist()):
            pixels = columns[:, :, start : start + width].flatten(2)
            folded[:, i] = (pixels.mT @ gradient[:, i].transpose(0, 1)).view(folded[:, i].shape)
        rows = shares.permute(2, 0, 1).flatten(1) @ folded.flatten(1, 2)
        bias = None
        if ctx.needs_input_grad[2]:
            bias = gradient.flatten(2).sum((0, 1), dtype=weight.dtype).view(outputs, -1).sum(0)  # wide rows are faster
        return None, _unfold_columns(rows, weight, shares), bias, None


def _columns(x: torch.Tensor, windows: Windows) -> torch.Tensor:
    """The stored pixels under each column of outputs: outputs x N x S x (pixels * C), contiguous."""
    count, channels, side, _ = x.shape
    width = windows.shares.shape[1]
    rows = x.permute(0, 2, 3, 1).reshape(count, side, side * channels)
    starts = rows.unfold(2, width * channels, channels)  # N x S x places x (pixels * C)
    return starts[:, :, windows.starts].permute(2, 0, 1, 3).contiguous()


def _fold_columns(weight: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """`weight` (O x C x k x k) folded along its columns: outputs x k x (pixels * C * O)."""
    outputs, width, kernel = shares.shape
    by_column = weight.permute(3, 2, 1, 0).reshape(kernel, -1)
    folded = (shares.flatten(0, 1) @ by_column).view(outputs, width, kernel, -1)
    return folded.transpose(1, 2).reshape(outputs, kernel, -1)


def _unfold_columns(folded: torch.Tensor, like: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """The gradient of _fold_columns' result as that of its weight, which is shaped as `like`."""
    outputs, width, kernel = shares.shape
    by_pixel = folded.view(outputs, kernel, width, -1).transpose(1, 2).reshape(outputs * width, -1)
    channels = like.shape[1]
    return (shares.flatten(0, 1).T @ by_pixel).view(kernel, kernel, channels, -1).permute(3, 2, 1, 0)


@cache
@torch.inference_mode(False)  # else the first caller decides whether training may use it
def windows(side: int, size: int, kernel: int, stride: int) -> Windows:
    """Those of a convolution over images of `side` pixels, stretched to `size`."""
    matrix = _bilinear_matrix(side, size, torch.device("cpu")).double()
    places = matrix.unfold(0, kernel, stride)  # outputs x side x k
    seen = (places != 0).any(2)
    first, last = seen.int().argmax(1), side - 1 - seen.flip(1).int().argmax(1)
    width = int((last - first).max()) + 1
    starts = first.clamp(max=side - width)
    shares = torch.stack([place[start : start + width] for place, start in zip(places, starts.tolist(), strict=True)])
    return Windows(starts, shares)


@cache  # a copy to a GPU in each step would make the step wait; a CUDA graph reads these as long as it lives
@torch.inference_mode(False)
def _bilinear_matrix(source: int, target: int, device: torch.device) -> torch.Tensor:
    """target x source: row i holds the weights of target pixel i, obtained from interpolate itself."""
    identity = torch.eye(source, device=device)[None, None]
    return functional.interpolate(identity, (target, source), mode="bilinear", align_corners=False)[0, 0]
