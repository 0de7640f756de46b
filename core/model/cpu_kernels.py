"""What the kernels that numba compiles for a CPU have in common: bfloat16, and several threads.

bfloat16, which numba doesn't know, travels as its 16 bits: the upper half of the same number's float32.

A kernel keeps its compiled self on disk as long as its own file stays as it is. Who changes here what kernels are made
of, their flags included, has to change their files as well, or everyone else goes on with the old ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit, types, uint32
from numba.extending import overload

_INLINE_VALUES = 1 << 16  # fewer are done before another thread has woken up
_helpers = threading.local()  # of each thread that calls: their priority is their caller's

# Not `fastmath=True`, which supposes that nothing is NaN: a training that diverges has to be seen.
_FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}
numba_kernel = njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
numba_inlined = njit(inline="always", fastmath=_FAST, error_model="numpy")


def array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The tensor's own values as an array, bfloat16 as its bits (uint16)."""
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def num_parts(values: int) -> int:
    """Into how many parts to share out work on that many values."""
    return torch.get_num_threads() if values > _INLINE_VALUES else 1


def share_out(work: Callable[[int, slice], None], count: int, parts: int) -> None:
    """work(i, the i-th of `parts` slices of range(count)) for each i, each in a thread of its own.

    A share may be done twice, never at once, where a thread is refused after its work was queued: `work` must not mind.
    """
    bounds = [count * i // parts for i in range(parts + 1)]
    shares = [slice(bounds[i], bounds[i + 1]) for i in range(parts)]
    try:
        others = [_pool(parts).submit(work, i, shares[i]) for i in range(1, parts)]
    except RuntimeError:  # the interpreter is about to end and starts no more work, but a run wants to be saved
        _helpers.pool.shutdown(cancel_futures=True)  # and waits for what has begun
        _helpers.threads = 0
        for i in range(parts):
            work(i, shares[i])
        return
    work(0, shares[0])
    for other in others:
        other.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    if getattr(_helpers, "threads", 0) < threads:
        _helpers.threads, _helpers.pool = threads, ThreadPoolExecutor(threads - 1, "kernel")
    pool: ThreadPoolExecutor = _helpers.pool
    return pool


def widen(stored, values):
    """values (float32) = stored (float32, or bfloat16's bits); for kernels."""


def round_to(values, stored):
    """stored = values (float32), rounded to the nearest bfloat16, ties to even, where it holds bits; for kernels."""


@overload(widen, inline="always")
def _widen(stored, values):  # noqa: ARG001 - numba wants the names of `widen`
    def copy(stored, values):
        for c in range(len(values)):
            values[c] = stored[c]

    def from_bits(stored, values):
        bits = values.view(np.uint32)
        for c in range(len(values)):
            bits[c] = uint32(stored[c]) << uint32(16)

    return from_bits if stored.dtype == types.uint16 else copy


@overload(round_to, inline="always")
def _round_to(values, stored):  # noqa: ARG001
    def copy(values, stored):
        for c in range(len(values)):
            stored[c] = values[c]

    def to_bits(values, stored):
        bits = values.view(np.uint32)
        for c in range(len(values)):  # each sum as 32 bits again: numba's would have 64, at half the speed
            half = uint32(uint32(0x7FFF) + uint32(uint32(bits[c] >> uint32(16)) & uint32(1)))
            stored[c] = uint32(bits[c] + half) >> uint32(16)

    return to_bits if stored.dtype == types.uint16 else copy
