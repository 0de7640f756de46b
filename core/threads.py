"""How this process's threads wait for each other. Set before torch is loaded: its OpenMP reads it then."""

from __future__ import annotations

import os

SPIN_COUNT = "GOMP_SPINCOUNT"


def sleep_soon() -> None:
    """Let torch's threads sleep soon after an operation, where they are GNU's (Linux); others don't read this.

    They would keep a core busy for some milliseconds, in case that more comes, while the kernels that numba compiled
    want it for threads of their own: with two cores those took 1.6 times as long in a training.
    """
    os.environ.setdefault(SPIN_COUNT, "1000")
