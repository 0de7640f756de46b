"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
TEMPORARY_SUFFIX = ".tmp"
_TRIES = 25
_UMASK = os.umask(0o077)  # it can only be read by being set, for all threads: once, and to the safe side
os.umask(_UMASK)
#: what numpy may raise for an .npz file that is damaged, depending on where
_DAMAGED = (OSError, ValueError, KeyError, EOFError, SyntaxError, RuntimeError, tokenize.TokenError, zipfile.BadZipFile,
            zlib.error)  # fmt: skip


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on leaving without error it is synced to disk and renamed over `path`."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY_SUFFIX, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _make_readable(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        patiently(lambda: temporary.replace(path))
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`; on leaving without error it becomes `path`, else it is deleted.

    What is written into it has to be synced by its writer. Raises OSError, also where `path` is taken by
    anything but an empty folder.
    """
    # Not mkdtemp: on Windows its folders stay closed to other accounts, and to this one without elevation.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        patiently(lambda: temporary.rename(path))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """`content` as strict JSON (NaN is refused) in place of whatever is at `path`."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_quickly(path: Path, content: Any) -> None:
    """Like write_json, without waiting for the disk: for a heartbeat, whose loss in a power cut costs nothing.

    On Windows it is left out where somebody keeps the file open.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        patiently(lambda: temporary.replace(path))
    except PermissionError:
        if os.name == "posix":
            raise


def read_json(path: Path) -> dict[str, Any] | None:
    """The object at `path`; None where there is none, or it isn't a JSON object."""
    try:
        content = json.loads(patiently(lambda: path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compress: bool = False) -> None:
    """Write `arrays` to `path` (npz), and the folders it needs. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:  # given a name, numpy would add a suffix to it
        (np.savez_compressed if compress else np.savez)(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path, names: Collection[str], optional: Collection[str] = ()) -> dict[str, np.ndarray] | None:
    """The arrays of those names that save_arrays wrote, and of the optional ones those that are there; no more is read.

    None where the file is missing or damaged, or lacks a name. No pickle is read.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in [*names, *(name for name in optional if name in file.files)]}
    except _DAMAGED:
        return None


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a writer that was killed. Only the holder of the run's lock may call this.

    Not below `derived`: viewers write there, whoever trains.
    """
    for path in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        if "derived" not in path.relative_to(folder).parts:
            remove(path)


def num_bytes(path: Path) -> int:
    """The size of a file, or of all files in a folder and below; what goes meanwhile counts nothing."""
    total = 0
    for file in [path, *(Path(folder, name) for folder, _, names in os.walk(path) for name in names)]:
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def patiently(action: Callable[[], T]) -> T:
    """action(), again and again where Windows refuses to touch what somebody has open, which is over in a moment."""
    for _ in range(_TRIES):
        try:
            return action()
        except PermissionError:
            if os.name == "posix":
                raise
            time.sleep(0.02)
    return action()


def remove(path: Path) -> None:
    """Delete the file, if it is there."""
    patiently(lambda: path.unlink(missing_ok=True))


def _make_readable(path: Path) -> None:
    """tempfile makes what only its owner reads; give it the permissions that a plain open would."""
    if os.name == "posix":
        path.chmod(0o666 & ~_UMASK)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder can't be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def file_sha256(path: Path) -> str:
    """The file's SHA-256, 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
