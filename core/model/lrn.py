"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), exact and fast.

    s_i = k + alpha / n * sum over the n channels j around i of x_j^2        y_i = x_i * s_i^-beta
    dx_i = g_i * s_i^-beta - 2 * alpha / n * beta * x_i * sum over j around i of g_j * x_j * s_j^(-beta-1)

The backward pass recomputes s from the input, the only tensor kept. Where the work is done: a compiled kernel on a CPU
(lrn_cpu), a Triton kernel on a GPU (lrn_triton), torch operations for anything else (lrn_closed_form). Each sees rows:
a pixel's C channels side by side, as they lie in memory in channels_last layout.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from core.model import lrn_closed_form
from core.model.compiled import kernels_for


def local_response_norm(
    x: torch.Tensor,
    size: int = 5,
    alpha: float = 1e-4,
    k: float = 2.0,
    *,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """`x` (N x C x H x W, floating point) normalised across `size` neighbouring channels; same shape, dtype and layout.

    Equals `torch.nn.functional.local_response_norm` with beta 0.75; that too divides alpha by `size`.
    bias: float32, C; where it is given, relu(x + bias) is normalised, by a kernel in the same pass over the values.
    """
    kernel = implementation(x, size)
    if bias is not None and (not _suits(bias, x) or kernel is lrn_closed_form):
        x, bias = torch.relu(x + bias[:, None, None].to(x.dtype)), None
    normalized: torch.Tensor = _LocalResponseNorm.apply(x, bias, kernel, size, alpha / size, k)
    return normalized


def implementation(x: torch.Tensor, size: int) -> ModuleType:
    """The module whose forward and backward suit `x` and the window."""
    kernel = kernels_for("lrn", x) if size == 5 else None
    return kernel if kernel and x.shape[1] % kernel.MULTIPLE == 0 else lrn_closed_form


def _suits(bias: torch.Tensor, x: torch.Tensor) -> bool:
    """Whether a kernel may read it: they don't check where it ends."""
    return bias.dtype == torch.float32 and bias.shape == x.shape[1:2]


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, bias: torch.Tensor | None, kernel: ModuleType, size: int, scale: float, k: float
    ) -> torch.Tensor:
        ctx.save_for_backward(x, bias)
        ctx.kernel, ctx.window = kernel, (size, scale, k)
        return _from_rows(kernel.forward(_rows(x), *ctx.window, *_given(bias)), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, bias = ctx.saved_tensors
        dx, dbias = ctx.kernel.backward(_rows(x), _rows(gradient), *ctx.window, *_given(bias))
        return _from_rows(dx, x), dbias, None, None, None, None


def _given(bias: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """The bias for a kernel that takes one; where there is none, torch's own operations need none."""
    return () if bias is None else (bias.detach(),)


def _rows(x: torch.Tensor) -> torch.Tensor:
    """N x C x H x W as (N * H * W) x C, contiguous: no copy in channels_last layout."""
    return x.detach().permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1])


def _from_rows(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = like.shape
    values = rows.view(count, height, width, channels).permute(0, 3, 1, 2)
    return values if like.is_contiguous(memory_format=torch.channels_last) else values.contiguous()
