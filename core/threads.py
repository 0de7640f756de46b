"""How this process's threads wait for each other. Set before torch is loaded: its OpenMP reads it then."""

from __future__ import annotations

import os
import sys

#: GNU's OpenMP (torch's on Linux) counts how often a thread looks for work, Intel's and LLVM's (elsewhere) milliseconds
SETTINGS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
if sys.platform == "linux":
    # GNU's counts to 100 alone, unless told so, once it has more threads than there are cores, as soon as a second of
    # the process's threads computes: being woken for each operation took 5 % of a step, in float32 10. With the two
    # above it doesn't mean that threads never sleep.
    SETTINGS["OMP_WAIT_POLICY"] = "active"


def sleep_soon() -> None:
    """Let torch's threads sleep soon after an operation.

    They would keep a core busy for milliseconds, in case that more comes, while the kernels that numba compiled want it
    for threads of their own: on two cores those took 1.6 times as long in a training (Linux; elsewhere not tried).
    """
    if "OMP_WAIT_POLICY" in os.environ:  # somebody has decided
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
