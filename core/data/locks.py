"""One process at a time fetches or decodes; the others wait, show that they wait, and can be stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import DataError
from core.progress import OnProgress

_POLL_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 1800.0


@contextmanager
def exclusive(path: Path, progress: OnProgress, waiting: str) -> Iterator[None]:
    """Holds the lock file `path`; while another holder works, reports `waiting`, through which a user may stop.

    The lock is the kernel's: a killed holder frees it; the file itself stays, but not on Windows. Raises DataError
    after 30 minutes or where the folder can't be written.
    """
    lock = FileLock(path)
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while not lock.is_locked:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_POLL_SECONDS)
        except Timeout:
            if time.monotonic() > deadline:
                raise DataError(f"Another process has held {path} for half an hour. End it, then try again.") from None
            progress(0, 0, waiting)
        except OSError as error:
            raise DataError(f"{path.parent} can't be written: {error.strerror}. Use another data folder.") from error
    try:
        yield
    finally:
        lock.release()
