"""Max pooling on a CPU: which of a window's nine values won is kept as a byte, and the gradient is gathered by it."""

from __future__ import annotations

import numpy as np
import torch

from core.model.cpu_kernels import array, num_parts, numba_kernel, round_to, share_out, widen


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    forward(torch.zeros(1, 3, 3, 1))


def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pooled values and the winners (uint8, 3 * row + column in the window), both N x (H-1)/2 x (W-1)/2 x C.

    x: N x H x W x C, float32 or bfloat16, contiguous.
    """
    count, height, width, channels = x.shape
    y = x.new_empty(count, (height - 3) // 2 + 1, (width - 3) // 2 + 1, channels)
    winners = torch.empty_like(y, dtype=torch.uint8)
    xs, ys, ws = array(x), array(y), winners.numpy()
    parts = min(count, num_parts(x.numel()))
    share_out(lambda _, images: _forward(xs[images], ys[images], ws[images]), count, parts)
    return y, winners


def backward(gradient: torch.Tensor, winners: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The gradient of x (N x height x width x C) from that of the pooled values, contiguous, and the winners."""
    count, _, _, channels = gradient.shape
    dx = gradient.new_empty(count, height, width, channels)
    gs, ws, dxs = array(gradient), winners.numpy(), array(dx)
    parts = min(count, num_parts(dx.numel()))
    share_out(lambda _, images: _backward(gs[images], ws[images], dxs[images]), count, parts)
    return dx


@numba_kernel
def _forward(x, y, winners):
    count, rows, columns, channels = y.shape
    value, best = np.empty((2, channels), np.float32)
    winner = np.empty(channels, np.uint32)
    for n in range(count):
        for i in range(rows):
            for j in range(columns):
                widen(x[n, 2 * i, 2 * j], best)
                winner[:] = 0
                for place in range(1, 9):
                    widen(x[n, 2 * i + place // 3, 2 * j + place % 3], value)
                    for c in range(channels):
                        won = value[c] > best[c] or value[c] != value[c]  # NaN stays
                        best[c] = value[c] if won else best[c]
                        winner[c] = np.uint32(place) if won else winner[c]
                round_to(best, y[n, i, j])
                for c in range(channels):
                    winners[n, i, j, c] = winner[c]


@numba_kernel
def _backward(g, winners, dx):
    count, rows, columns, channels = g.shape
    value, total = np.empty((2, channels), np.float32)
    for n in range(count):
        for h in range(dx.shape[1]):
            for w in range(dx.shape[2]):
                total[:] = 0
                for i in range(max((h - 1) // 2, 0), min(h // 2 + 1, rows)):  # the windows that hold this pixel
                    for j in range(max((w - 1) // 2, 0), min(w // 2 + 1, columns)):
                        place = np.uint8(3 * (h - 2 * i) + w - 2 * j)
                        widen(g[n, i, j], value)
                        for c in range(channels):
                            total[c] += value[c] if winners[n, i, j, c] == place else np.float32(0)
                round_to(total, dx[n, h, w])
