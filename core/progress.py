"""Progress reports of what takes long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console

#: Called with (done, total, message), total 0 where it isn't known; raises StopRequested where somebody wants out.
OnProgress = Callable[[int, int, str], object]


def no_progress(done: int, total: int, message: str) -> None:
    """An OnProgress that listens to nothing."""


@contextlib.contextmanager
def on_terminal() -> Iterator[OnProgress]:
    """Gives an OnProgress whose messages are shown where stderr is a terminal, and nowhere else."""
    with Console(stderr=True).status("Starting") as status:
        yield lambda _done, _total, message: status.update(message)
