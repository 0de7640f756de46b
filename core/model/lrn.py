"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), exact and fast.

    s_i = k + alpha / n * sum over the n channels j around i of x_j^2        y_i = x_i * s_i^-beta
    dx_i = g_i * s_i^-beta - 2 * alpha / n * beta * x_i * sum over j around i of g_j * x_j * s_j^(-beta-1)

The backward pass recomputes s from the input, the only tensor kept. Where the work is done: a compiled kernel on a CPU
(lrn_cpu), a Triton kernel on a GPU (lrn_triton), torch operations for anything else (lrn_closed_form). Each sees rows:
a pixel's C channels side by side, as they lie in memory in channels_last layout.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from core.model import lrn_closed_form

_KERNELS = {"cpu": ("numba", "core.model.lrn_cpu"), "cuda": ("triton", "core.model.lrn_triton")}


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


def implementation(x: torch.Tensor, size: int) -> ModuleType:
    """The module whose forward and backward suit `x` and the window."""
    fits = size == 5 and x.dtype in (torch.float32, torch.bfloat16) and x.numel() > 0
    return (fits and _kernel(x.device.type)) or lrn_closed_form


@cache
def _kernel(device: str) -> ModuleType | None:
    """The compiled kernel for a kind of device, tried once; None where there is none or it doesn't work here."""
    if device not in _KERNELS:
        return None
    compiler, module = _KERNELS[device]
    try:
        kernel = import_module(module)
        kernel.forward(torch.ones(1, 5, device=device), 5, 1e-5, 2.0)
    except (ImportError, RuntimeError) as error:  # not installed, too old for another package, no C compiler, no cache
        if getattr(error, "name", None) != compiler:
            warnings.warn(f"LRN is computed without {compiler}, which doesn't work here: {error}", stacklevel=2)
        return None
    return kernel


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.window = size, scale, k
        return _from_rows(implementation(x, size).forward(_rows(x), size, scale, k), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        size, scale, k = ctx.window
        dx = implementation(x, size).backward(_rows(x), _rows(gradient), size, scale, k)
        return _from_rows(dx, x), None, None, None


def _rows(x: torch.Tensor) -> torch.Tensor:
    """N x C x H x W as (N * H * W) x C, contiguous: no copy in channels_last layout."""
    return x.detach().permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1])


def _from_rows(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = like.shape
    values = rows.view(count, height, width, channels).permute(0, 3, 1, 2)
    return values if like.is_contiguous(memory_format=torch.channels_last) else values.contiguous()
