"""Max pooling as AlexNet has it, over 3 x 3 pixels in steps of 2, so that pools overlap.

torch's own keeps an int64 for each output in a training, and takes long to give the gradient back. Here a kernel for a
CPU (pool_cpu) or a GPU (pool_triton) keeps a byte.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.model.compiled import kernels_for


class MaxPool(nn.MaxPool2d):
    """The layer; its kernel size and stride are read by the layer table."""

    def __init__(self) -> None:
        super().__init__(kernel_size=3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return max_pool(x)


def max_pool(x: torch.Tensor) -> torch.Tensor:
    """The greatest value of each 3 x 3 window of `x` (N x C x H x W, floating point), every second pixel.

    Equals `torch.nn.functional.max_pool2d(x, 3, 2)`; of equal values one gets the gradient.
    """
    kernel = kernels_for("pool", x) if min(x.shape[2:]) >= 3 else None
    if kernel is None:
        return functional.max_pool2d(x, 3, 2)
    pooled: torch.Tensor = _MaxPool.apply(x, kernel)
    return pooled


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernel: ModuleType) -> torch.Tensor:
        y, winners = kernel.forward(x.detach().permute(0, 2, 3, 1).contiguous())
        ctx.save_for_backward(winners)
        ctx.kernel, ctx.size = kernel, x.shape[2:]
        return y.permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (winners,) = ctx.saved_tensors
        dx = ctx.kernel.backward(gradient.permute(0, 2, 3, 1).contiguous(), winners, *ctx.size)
        return dx.permute(0, 3, 1, 2), None
