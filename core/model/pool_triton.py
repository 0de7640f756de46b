"""Max pooling on a GPU: which of a window's nine values won is kept as a byte, and the gradient is gathered by it.

A program has a part of one row of pixels; what it computes for each of its values is little, and the same for
neighbouring channels, which a thread therefore loads and stores together.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_COUNT = 1024  # values of a program


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    y, winners = forward(torch.zeros(1, 3, 3, 8, device="cuda"))
    backward(y, winners, 3, 3)


def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pooled values and the winners (uint8, 3 * row + column in the window), both N x (H-1)/2 x (W-1)/2 x C.

    x: N x H x W x C, float32 or bfloat16, contiguous.
    """
    count, height, width, channels = x.shape
    rows, columns = (height - 3) // 2 + 1, (width - 3) // 2 + 1
    y = x.new_empty(count, rows, columns, channels)
    winners = torch.empty_like(y, dtype=torch.uint8)
    grid = (count * rows, triton.cdiv(columns * channels, _COUNT))
    _forward[grid](x, y, winners, height, width, rows, columns, channels, _COUNT, num_warps=4)
    return y, winners


def backward(gradient: torch.Tensor, winners: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The gradient of x (N x height x width x C) from that of the pooled values, contiguous, and the winners."""
    count, rows, columns, channels = gradient.shape
    dx = gradient.new_empty(count, height, width, channels)
    grid = (count * height, triton.cdiv(width * channels, _COUNT))
    _backward[grid](gradient, winners, dx, height, width, rows, columns, channels, _COUNT, num_warps=4)
    return dx


@triton.jit
def _forward(x, y, winners, height, width, rows, columns, C: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    line = tl.program_id(0)
    place = tl.program_id(1) * COUNT + tl.arange(0, COUNT)  # column * C + channel
    inside = place < columns * C
    corner = x + ((line // rows).to(tl.int64) * height + line % rows * 2) * width * C + place + place // C * C
    best = tl.load(corner, mask=inside, other=0.0)
    winner = tl.zeros([COUNT], tl.int32)
    for i in tl.static_range(1, 9):
        value = tl.load(corner + (i // 3 * width + i % 3) * C, mask=inside, other=0.0)
        winner = tl.where(value > best, i, winner)
        best = tl.maximum(best, value, propagate_nan=tl.PropagateNan.ALL)
    result = line.to(tl.int64) * columns * C + place
    tl.store(y + result, best, mask=inside)
    tl.store(winners + result, winner.to(tl.uint8), mask=inside)


@triton.jit
def _backward(g, winners, dx, height, width, rows, columns, C: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    """A pixel is in one or two windows along either axis: those of its half, and the one before if it is even."""
    line = tl.program_id(0)
    place = tl.program_id(1) * COUNT + tl.arange(0, COUNT)
    inside = place < width * C
    y, column = line % height, place // C
    total = tl.zeros([COUNT], tl.float32)
    for up in tl.static_range(2):
        row = y // 2 - up
        if (row >= 0) & (row < rows) & (y - 2 * row < 3):
            for left in tl.static_range(2):
                window = column // 2 - left
                seen = inside & (window >= 0) & (window < columns) & (column - 2 * window < 3)
                at = ((line // height).to(tl.int64) * rows + row) * columns * C + window * C + place % C
                winner = tl.load(winners + at, mask=seen, other=255).to(tl.int32)
                value = tl.load(g + at, mask=seen, other=0.0).to(tl.float32)
                total += tl.where(winner == (y - 2 * row) * 3 + column - 2 * window, value, 0.0)
    result = line.to(tl.int64) * width * C + place
    tl.store(dx + result, total.to(dx.dtype.element_ty), mask=inside)
