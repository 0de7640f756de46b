"""How this process takes memory from the system. Set before torch's first allocation: later, threads have their arenas.

Training allocates the same hundreds of megabytes in each step. With glibc's defaults a background thread takes blocks
above 64 MB from the kernel and gives them back, each time at the price of clearing their pages: 12 % of a step.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

#: read by torch; where there are no large pages it does nothing
SETTINGS = {"THP_MEM_ALLOC_ENABLE": "1"}
_LARGEST_OLD_THRESHOLD = 1 << 25  # the most that older releases take, and that any comes to by itself
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # malloc.h


def share_one_heap() -> None:
    """Let threads to come use the main heap, the only one that grows past 64 MB, and large blocks use large pages."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    _mallopt(_M_ARENA_MAX, 1)


def keep_freed_memory() -> None:
    """Keep large freed blocks for the next step."""
    if not _mallopt(_M_MMAP_THRESHOLD, 1 << 30):
        _mallopt(_M_MMAP_THRESHOLD, _LARGEST_OLD_THRESHOLD)
    _mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    _mallopt(_M_TOP_PAD, 1 << 28)


def give_freed_memory_back() -> None:
    """After the last step, to other programs; from now on as glibc does by itself once large blocks have been freed."""
    _mallopt(_M_MMAP_THRESHOLD, _LARGEST_OLD_THRESHOLD)
    _mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_OLD_THRESHOLD)
    _mallopt(_M_TOP_PAD, 1 << 17)
    if (glibc := _glibc()) is not None:
        glibc.malloc_trim(0)


def _mallopt(option: int, value: int) -> bool:
    """False where there is another C library than glibc."""
    glibc = _glibc()
    return glibc is not None and bool(glibc.mallopt(option, value))


def _glibc() -> ctypes.CDLL | None:
    is_there = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
    return ctypes.CDLL("libc.so.6") if is_there else None
