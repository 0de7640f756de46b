"""Local response normalisation on a GPU: values read once and written once, float32 arithmetic inside.

A program takes a block of rows with all their channels. Neighbouring channels are loaded again rather than passed
along: they lie in the cache.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_BLOCK = 2048  # values a program holds


def forward(x: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
    """y of core.model.lrn, for x (rows x C, float32 or bfloat16, contiguous) and windows of 5."""
    assert size == 5
    return _launch(_forward, (x,), scale, k)


def backward(x: torch.Tensor, gradient: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
    """dx of core.model.lrn (rows x C), from x and the gradient of y."""
    assert size == 5
    return _launch(_backward, (x, gradient), scale, k)


def _launch(kernel: Any, inputs: tuple[torch.Tensor, ...], scale: float, k: float) -> torch.Tensor:
    rows, channels = inputs[0].shape
    result = torch.empty_like(inputs[0])
    block_channels = triton.next_power_of_2(channels)
    block_rows = max(_BLOCK // block_channels, 1)
    grid = (triton.cdiv(rows, block_rows),)
    kernel[grid](*inputs, result, rows, channels, scale, k, block_rows, block_channels)
    return result


@triton.jit
def _load(values, row, channel, rows, channels):
    """float32; 0 beyond the first and the last channel."""
    inside = (row < rows) & (channel >= 0) & (channel < channels)
    return tl.load(values + row * channels + channel, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _square(x, row, channel, rows, channels):
    value = _load(x, row, channel, rows, channels)
    return value * value


@triton.jit
def _forward(x, y, rows, channels, scale, k, BLOCK_ROWS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # noqa: N803
    row = (tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]
    channel = tl.arange(0, BLOCK_CHANNELS)[None, :]
    total = _square(x, row, channel - 2, rows, channels)
    for shift in tl.static_range(-1, 3):
        total += _square(x, row, channel + shift, rows, channels)
    root = tl.rsqrt(k + scale * total)
    result = _load(x, row, channel, rows, channels) * root * tl.sqrt(root)
    inside = (row < rows) & (channel < channels)
    tl.store(y + row * channels + channel, result.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _weighted(x, g, row, channel, rows, channels, s):
    """g * x * s^(-beta-1) of a channel, from its s; 0 beyond the first and the last channel."""
    root = tl.rsqrt(s)
    product = _load(g, row, channel, rows, channels) * _load(x, row, channel, rows, channels)
    return product * root * tl.sqrt(root) / s


@triton.jit
def _backward(x, g, dx, rows, channels, scale, k, BLOCK_ROWS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # noqa: N803
    row = (tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]
    channel = tl.arange(0, BLOCK_CHANNELS)[None, :]
    window = _square(x, row, channel - 4, rows, channels)  # the sum of squares around channel - 2, then ever further up
    for shift in tl.static_range(-3, 1):
        window += _square(x, row, channel + shift, rows, channels)
    neighbours = _weighted(x, g, row, channel - 2, rows, channels, k + scale * window)
    own = k + scale * window
    for shift in tl.static_range(-1, 3):
        window += _square(x, row, channel + shift + 2, rows, channels)
        window -= _square(x, row, channel + shift - 3, rows, channels)
        s = k + scale * window
        neighbours += _weighted(x, g, row, channel + shift, rows, channels, s)
        if shift == 0:
            own = s
    root = tl.rsqrt(own)
    result = _load(g, row, channel, rows, channels) * root * tl.sqrt(root)
    result -= 1.5 * scale * _load(x, row, channel, rows, channels) * neighbours
    inside = (row < rows) & (channel < channels)
    tl.store(dx + row * channels + channel, result.to(dx.dtype.element_ty), mask=inside)
