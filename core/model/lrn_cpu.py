"""Local response normalisation on a CPU: one pass over the values, compiled by numba, float32 arithmetic inside.

bfloat16, which numba doesn't know, travels as its 16 bits: the upper half of the same number's float32.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit, uint32

MULTIPLE = 1  # any number of channels will do
_INLINE_VALUES = 1 << 16  # fewer are done before another thread has woken up
_helpers = threading.local()  # of each thread that calls: their priority is their caller's


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    forward(torch.ones(1, 5), 5, 1e-5, 2.0)


def forward(x: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
    """y of core.model.lrn, for x (rows x C, float32 or bfloat16, contiguous) and windows of 5."""
    assert size == 5
    return _share_out(_forward if x.dtype == torch.float32 else _forward_bfloat16, (x,), scale, k)


def backward(x: torch.Tensor, gradient: torch.Tensor, size: int, scale: float, k: float) -> torch.Tensor:
    """dx of core.model.lrn (rows x C), from x and the gradient of y."""
    assert size == 5
    return _share_out(_backward if x.dtype == torch.float32 else _backward_bfloat16, (x, gradient), scale, k)


def _share_out(kernel: Callable[..., None], inputs: tuple[torch.Tensor, ...], scale: float, k: float) -> torch.Tensor:
    """kernel(*inputs, result, scale, k), the rows shared out to as many threads as torch uses."""
    x = inputs[0]
    result = torch.empty_like(x)
    bits = torch.uint16 if x.dtype == torch.bfloat16 else x.dtype
    arrays = [value.view(bits).numpy() for value in (*inputs, result)]
    threads = torch.get_num_threads() if x.numel() > _INLINE_VALUES else 1
    bounds = np.linspace(0, len(x), threads + 1, dtype=np.int64)
    parts = [[array[begin:end] for array in arrays] for begin, end in itertools.pairwise(bounds)]
    constants = np.float32(scale), np.float32(k)
    others = []
    for part in parts[1:]:
        try:
            others.append(_pool(threads).submit(kernel, *part, *constants))
        except RuntimeError:  # the interpreter is about to end and starts no more work, but a run wants to be saved
            kernel(*part, *constants)
    kernel(*parts[0], *constants)
    for other in others:
        other.result()
    return result


def _pool(threads: int) -> ThreadPoolExecutor:
    if getattr(_helpers, "threads", 0) != threads:
        _helpers.threads, _helpers.pool = threads, ThreadPoolExecutor(threads - 1, "lrn")
    pool: ThreadPoolExecutor = _helpers.pool
    return pool


_compiled = njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
_inlined = njit(inline="always", fastmath=True, error_model="numpy")


@_inlined
def _widen(bits, values_bits):
    """The float32 numbers (seen as their bits) that bfloat16 `bits` stand for."""
    for c in range(len(bits)):
        values_bits[c] = uint32(bits[c]) << uint32(16)


@_inlined
def _round(values_bits, bits):
    """float32 to the nearest bfloat16, ties to even."""
    for c in range(len(bits)):
        value = values_bits[c]
        bits[c] = (value + uint32(0x7FFF) + ((value >> uint32(16)) & uint32(1))) >> uint32(16)


@_inlined
def _forward_row(x, y, squares, scale, k):
    """One row; `squares` has two zeros more at either end, so that every window holds five."""
    for c in range(len(x)):
        squares[c + 2] = x[c] * x[c]
    for c in range(len(x)):
        s = k + scale * (squares[c] + squares[c + 1] + squares[c + 2] + squares[c + 3] + squares[c + 4])
        root = np.float32(1) / np.sqrt(s)
        y[c] = x[c] * root * np.sqrt(root)


@_inlined
def _backward_row(x, g, dx, squares, products, scale, k):
    for c in range(len(x)):
        squares[c + 2] = x[c] * x[c]
    for c in range(len(x)):
        s = k + scale * (squares[c] + squares[c + 1] + squares[c + 2] + squares[c + 3] + squares[c + 4])
        root = np.float32(1) / np.sqrt(s)
        dx[c] = g[c] * root * np.sqrt(root)
        products[c + 2] = dx[c] * x[c] / s
    factor = np.float32(-1.5) * scale
    for c in range(len(x)):
        window = products[c] + products[c + 1] + products[c + 2] + products[c + 3] + products[c + 4]
        dx[c] += factor * x[c] * window


@_compiled
def _forward(x, y, scale, k):
    squares = np.zeros(x.shape[1] + 4, np.float32)
    for r in range(len(x)):
        _forward_row(x[r], y[r], squares, scale, k)


@_compiled
def _forward_bfloat16(x, y, scale, k):
    row, result = np.empty((2, x.shape[1]), np.float32)
    squares = np.zeros(x.shape[1] + 4, np.float32)
    for r in range(len(x)):
        _widen(x[r], row.view(np.uint32))
        _forward_row(row, result, squares, scale, k)
        _round(result.view(np.uint32), y[r])


@_compiled
def _backward(x, g, dx, scale, k):
    squares, products = np.zeros((2, x.shape[1] + 4), np.float32)
    for r in range(len(x)):
        _backward_row(x[r], g[r], dx[r], squares, products, scale, k)


@_compiled
def _backward_bfloat16(x, g, dx, scale, k):
    row, gradient, result = np.empty((3, x.shape[1]), np.float32)
    squares, products = np.zeros((2, x.shape[1] + 4), np.float32)
    for r in range(len(x)):
        _widen(x[r], row.view(np.uint32))
        _widen(g[r], gradient.view(np.uint32))
        _backward_row(row, gradient, result, squares, products, scale, k)
        _round(result.view(np.uint32), dx[r])
