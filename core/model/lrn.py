"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), exact and fast.

    s_i = k + alpha / n * sum over the n channels j around i of x_j^2        y_i = x_i * s_i^-beta

torch computes this in seven passes forward and about sixteen backward. Here the windowed sum is one product with
a banded C x C matrix, and the backward pass is the closed form

    dx_i = g_i * s_i^-beta - 2 * alpha / n * beta * x_i * sum over j around i of g_j * x_j * s_j^(-beta-1)

recomputed from the input, the only tensor kept. Works in float32, bfloat16 and float64, on any device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional


def local_response_norm(
    x: torch.Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> torch.Tensor:
    """`x` (N x C x H x W, floating point) normalised across `size` neighbouring channels; same shape, dtype and layout.

    Equals `torch.nn.functional.local_response_norm`, which divides alpha by `size` as well. beta must be 0.75.
    """
    if beta != 0.75:
        raise ValueError(f"beta must be 0.75, the paper's value, got {beta}")
    normalized: torch.Tensor = _LocalResponseNorm.apply(x, size, alpha / size, k)
    return normalized


def _band(channels: int, size: int, like: torch.Tensor) -> torch.Tensor:
    """C x C, 1 where two channels share a window; torch's window reaches size // 2 down and (size - 1) // 2 up."""
    index = torch.arange(channels, device=like.device)
    offset = index[None, :] - index[:, None]
    return ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).to(like.dtype)


def _window_sum(values: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(values, band[:, :, None, None])


def _power_minus_three_quarters(s: torch.Tensor) -> torch.Tensor:
    root = s.rsqrt()
    return root * root.sqrt()


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.window = size, scale, k
        s = _window_sum(x * x, _band(x.shape[1], size, x)).mul_(scale).add_(k)
        return _power_minus_three_quarters(s).mul_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        size, scale, k = ctx.window
        band = _band(x.shape[1], size, x)
        s = _window_sum(x * x, band).mul_(scale).add_(k)
        scaled = _power_minus_three_quarters(s).mul_(gradient)
        neighbours = _window_sum(scaled.mul(x).div_(s), band.T)
        return neighbours.mul_(x).mul_(-1.5 * scale).add_(scaled), None, None, None
