"""How what takes long tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (done, total, message), total 0 where it isn't known; raises StopRequested where somebody wants out.
OnProgress = Callable[[int, int, str], object]


def no_progress(done: int, total: int, message: str) -> None:
    """An OnProgress that listens to nothing."""
