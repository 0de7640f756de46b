"""Where an export goes: whole or not at all, and in a sentence why not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import ExportError
from core.files import replacing


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on leaving without error it takes the place of whatever file is at `path`.

    Through a symbolic link the file that it names is replaced. Raises ExportError where nothing can be written there.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise ExportError(f"{path} is a folder: give the name of a file in it.")
        if target.exists() and not target.is_file():
            raise ExportError(f"{path} is no ordinary file: give another name.")
        with replacing(target) as temporary:
            yield temporary
    except OSError as error:
        raise ExportError(f"{path} can't be used: {error.strerror or error}.") from error
