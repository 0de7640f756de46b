"""Deleting a run: its folder, with the weights and all that was recorded."""

from __future__ import annotations

import shutil

from filelock import Timeout

from core.errors import RunError, RunLockedError
from core.files import remove
from core.runs.run import Run

_LOCK_SECONDS = 1.0  # somebody who only looks at the run lets go sooner


def delete_run(run: Run) -> None:
    """Delete a run that nobody writes, for good. Raises RunLockedError while it trains, RunError where a file stays."""
    try:
        with run.lock().acquire(timeout=_LOCK_SECONDS):
            remove(run.path / "config.json")  # without it the folder is no run any more, whatever happens next
            for path in run.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "run.lock":  # Windows keeps what is open
                    remove(path)
        shutil.rmtree(run.path)
    except Timeout:
        raise RunLockedError(f"Run {run.id!r} is being written; stop it before you delete it.") from None
    except OSError as error:
        raise RunError(
            f"Run {run.id!r} could not be deleted as a whole: {error.filename or run.path}: {error.strerror}. Delete "
            f"what is left of {run.path} by hand."
        ) from error
