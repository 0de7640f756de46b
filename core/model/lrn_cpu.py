"""Local response normalisation on a CPU: one pass over the values, compiled by numba, float32 arithmetic inside."""

from __future__ import annotations

import numpy as np
import torch

from core.model.cpu_kernels import array, num_parts, numba_inlined, numba_kernel, round_to, share_out, widen

MULTIPLE = 1  # any number of channels will do
# The two kernels begin alike, written out: as inlined functions of their own the same loops took some 15 % longer.
_EXACT_ROWS = 256  # that float32 adds up without losing anything to speak of
_NO_BIAS = np.empty(0, np.float32)


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    forward(torch.ones(1, 5), 5, 1e-5, 2.0)


def forward(x: torch.Tensor, size: int, scale: float, k: float, bias: torch.Tensor | None = None) -> torch.Tensor:
    """y of core.model.lrn, for x (rows x C, float32 or bfloat16, contiguous) and windows of 5.

    bias: float32, C; where it is given, y is that of relu(x + bias).
    """
    assert size == 5
    y = torch.empty_like(x)
    constants = _NO_BIAS if bias is None else bias.numpy(), np.float32(scale), np.float32(k)
    xs, ys = array(x), array(y)
    share_out(lambda _, rows: _forward(xs[rows], ys[rows], *constants), len(x), num_parts(x.numel()))
    return y


def backward(
    x: torch.Tensor, gradient: torch.Tensor, size: int, scale: float, k: float, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """dx of core.model.lrn (rows x C), from x, the gradient of y and the bias; the bias's gradient, if there is one."""
    assert size == 5
    dx = torch.empty_like(x)
    constants = _NO_BIAS if bias is None else bias.numpy(), np.float32(scale), np.float32(k)
    parts = num_parts(x.numel())
    sums = np.zeros((parts, x.shape[1]), np.float64)
    xs, gs, dxs = array(x), array(gradient), array(dx)
    share_out(lambda i, rows: _backward(xs[rows], gs[rows], dxs[rows], sums[i], *constants), len(x), parts)
    return dx, None if bias is None else torch.from_numpy(sums.sum(0)).to(bias.dtype)


@numba_inlined
def _rectify(x, bias):
    for c in range(len(x)):
        z = x[c] + bias[c]
        x[c] = np.float32(0) if z <= np.float32(0) else z  # NaN stays


@numba_inlined
def _square(x, squares):
    """`squares` has two zeros more at either end, so that every window holds five."""
    for c in range(len(x)):
        squares[c + 2] = x[c] * x[c]


@numba_kernel
def _forward(x, y, bias, scale, k):
    row = np.empty(x.shape[1], np.float32)
    squares = np.zeros(x.shape[1] + 4, np.float32)
    for r in range(len(x)):
        widen(x[r], row)
        if len(bias) > 0:
            _rectify(row, bias)
        _square(row, squares)
        for c in range(len(row)):
            s = k + scale * (squares[c] + squares[c + 1] + squares[c + 2] + squares[c + 3] + squares[c + 4])
            root = np.float32(1) / np.sqrt(s)
            row[c] = row[c] * root * np.sqrt(root)
        round_to(row, y[r])


@numba_kernel
def _backward(x, g, dx, sums, bias, scale, k):
    """sums: of dx over the rows, where there is a bias; set and not added to, as a share may be done twice."""
    row, result = np.empty((2, x.shape[1]), np.float32)
    part, total = np.zeros(x.shape[1], np.float32), np.zeros(x.shape[1], np.float64)
    squares, products = np.zeros((2, x.shape[1] + 4), np.float32)
    factor = np.float32(-1.5) * scale
    for r in range(len(x)):
        widen(x[r], row)
        widen(g[r], result)
        if len(bias) > 0:
            _rectify(row, bias)
        _square(row, squares)
        for c in range(len(row)):
            s = k + scale * (squares[c] + squares[c + 1] + squares[c + 2] + squares[c + 3] + squares[c + 4])
            root = np.float32(1) / np.sqrt(s)
            result[c] *= root * np.sqrt(root)
            products[c + 2] = result[c] * row[c] / s
        if len(bias) > 0:
            for c in range(len(row)):
                window = products[c] + products[c + 1] + products[c + 2] + products[c + 3] + products[c + 4]
                value = result[c] + factor * row[c] * window
                value = np.float32(0) if row[c] == np.float32(0) else value
                part[c] += value
                result[c] = value
            if r % _EXACT_ROWS == 0 or r == len(x) - 1:
                total += part
                part[:] = 0
        else:
            for c in range(len(row)):
                window = products[c] + products[c + 1] + products[c + 2] + products[c + 3] + products[c + 4]
                result[c] += factor * row[c] * window
        round_to(result, dx[r])
    sums[:] = total
