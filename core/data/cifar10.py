"""CIFAR-10 from its own archive (A. Krizhevsky, 2009): found on disk or downloaded, checked, then read."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import torch

from core.data.images import ImageSet
from core.data.locks import exclusive
from core.errors import DataError, DataMissingError
from core.files import patiently
from core.progress import OnProgress

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

ALLOWED_SCHEMES = ("https",)
#: Seconds without a byte, while connecting as while reading, before a server counts as stalled.
NETWORK_TIMEOUT = 15.0

#: A server that drips bytes never stalls: below this speed it counts as stalled too, after a minute.
SLOWEST_BYTES_PER_SECOND = 2_000
MAX_BYTES = 200_000_000  # the archive has 170 million: whatever sends more must not fill the disk

_CHUNK_BYTES = 64 * 1024
_REPORT_SECONDS = 0.2


class _DownloadError(Exception):
    """Why a download failed, as a clause."""


def load_cifar10(data_dir: Path, progress: OnProgress, *, download: bool = True) -> tuple[ImageSet, ImageSet]:
    """(train, test): 50,000 and 10,000 images of 32 x 32 pixels.

    An unpacked folder, or else the archive, in `data_dir` is used without network; otherwise the archive is
    downloaded, or without `download` DataMissingError is raised. torchvision's md5 sums are checked before anything is
    unpacked or unpickled.
    Raises DataError, one sentence with the way out, and StopRequested out of `progress`: both leave no partial file.
    """
    from torchvision.datasets import CIFAR10  # slow to import, and the other sources do without

    sets, archive = _read(data_dir), data_dir / CIFAR10.filename
    if sets is None and not download and not _has_md5(archive, CIFAR10.tgz_md5):
        what = f"not whole in {data_dir}" if is_here(data_dir) else "not on this computer yet"
        raise DataMissingError(
            f"CIFAR-10 is {what}; the next run on it downloads it, and so does a button on the dashboard."
        )
    if sets is None:
        waiting = "Waiting for another process that fetches CIFAR-10"
        with exclusive(data_dir / f"{CIFAR10.filename}.lock", progress, waiting):
            sets = _read(data_dir)
            if sets is None:
                if not _has_md5(archive, CIFAR10.tgz_md5):
                    _fetch(CIFAR10.url, CIFAR10.tgz_md5, archive, progress)
                progress(0, 0, "Unpacking CIFAR-10")
                _unpack(archive, data_dir / CIFAR10.base_folder)
                sets = _read(data_dir)
    if sets is None:
        folder = data_dir / CIFAR10.base_folder
        raise DataError(f"The files in {folder} do not match CIFAR-10's checksums. Remove that folder and start again.")
    return sets


def is_here(data_dir: Path) -> bool:
    """Whether `data_dir` is where CIFAR-10 is kept: unpacked or as the archive, be it whole or not."""
    from torchvision.datasets import CIFAR10

    names = (f"{CIFAR10.base_folder}/{CIFAR10.meta['filename']}", CIFAR10.filename)
    return any((data_dir / name).is_file() for name in names)


def _read(data_dir: Path) -> tuple[ImageSet, ImageSet] | None:
    """The unpacked sets; None where a file is missing or is not whole, as after an unpacking that was killed."""
    from torchvision.datasets import CIFAR10

    try:
        # Without download=True torchvision only reads, and checks every file's md5 before it unpickles the first.
        return _image_set(CIFAR10(data_dir, train=True)), _image_set(CIFAR10(data_dir, train=False))
    except RuntimeError:
        return None
    except OSError as error:
        raise DataError(
            f"{error.filename} can't be read: {error.strerror}. See to its rights, or remove it."
        ) from error


def _image_set(dataset: CIFAR10) -> ImageSet:
    # torchvision shows its N x 3 x 32 x 32 array as N x 32 x 32 x 3: turning it back copies nothing.
    images = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(dataset.targets, dtype=torch.int64), tuple(dataset.classes))


def _has_md5(path: Path, md5: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest() == md5


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks beside `folder`, into which the files come when all are whole: a full disk leaves none of them."""
    from torchvision.datasets.utils import extract_archive

    part = folder.with_name(folder.name + ".part")
    try:
        extract_archive(archive, part)
        folder.mkdir(exist_ok=True)
        for file in (part / folder.name).iterdir():
            patiently(partial(file.replace, folder / file.name))
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{archive} could not be unpacked: {error}. Free some space, then start again.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fetch(url: str, md5: str, archive: Path, progress: OnProgress) -> None:
    """Downloads `url` beside `archive`, which appears whole and checked or not at all."""
    part = archive.with_name(archive.name + ".part")
    try:
        _download(url, part, progress)
        if not _has_md5(part, md5):
            raise _DownloadError("what arrived is not the archive (its md5 sum is wrong)")
        with part.open("rb+") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        patiently(lambda: part.replace(archive))
    except (_DownloadError, OSError, http.client.HTTPException) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded: {_reason(error)}; fetch {url} by hand and put the file "
            f"{archive.name} into {archive.parent.resolve()}, or train on the 'folder' or 'shapes' source, "
            "which need no network."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it must not hide what went wrong
            part.unlink(missing_ok=True)


def _download(url: str, part: Path, progress: OnProgress) -> None:
    _require_scheme(url)
    progress(0, 0, "Downloading CIFAR-10: connecting")
    request = urllib.request.Request(url, headers={"User-Agent": "alexnet-live"})
    opener = urllib.request.build_opener(_NoDowngrade)
    try:
        with opener.open(request, timeout=NETWORK_TIMEOUT) as response, part.open("wb") as file:
            total = response.length or 0
            done = _copy(response, file, total, progress)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise _DownloadError(f"the server answered {error.code}") from error
    if total and done != total:
        raise _DownloadError(f"the connection ended after {done:,} of {total:,} bytes")


def _copy(response: IO[bytes], file: IO[bytes], total: int, progress: OnProgress) -> int:
    """Bytes written. `progress` hears of them several times a second, and may end it."""
    start = time.monotonic()
    done, reported = 0, -1.0
    # read1 returns what has arrived: read would wait for a whole chunk, deaf to the user's wish on a slow line.
    while chunk := response.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
        file.write(chunk)
        done += len(chunk)
        if done > MAX_BYTES:
            raise _DownloadError("the server sends more than the archive holds")
        seconds = time.monotonic() - start
        if seconds > 60 and done < seconds * SLOWEST_BYTES_PER_SECOND:
            raise _DownloadError(f"the server sent only {done:,} bytes in {seconds:.0f} s")
        if seconds - reported >= _REPORT_SECONDS or done == total:
            reported = seconds
            megabytes = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
            progress(done, total, f"Downloading CIFAR-10: {megabytes}, {done / 1e6 / max(seconds, 1e-3):.1f} MB/s")
    return done


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows a redirect (at most ten) only to an allowed scheme: never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        try:
            _require_scheme(newurl)
        except _DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_scheme(url: str) -> None:
    if not url.lower().startswith(tuple(f"{scheme}://" for scheme in ALLOWED_SCHEMES)):
        raise _DownloadError(f"{url} is not an https address")


def _reason(error: Exception) -> str:
    """The cause in words; a urllib error wraps the one that tells."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"the server sent nothing for {NETWORK_TIMEOUT:g} seconds"
    words = cause.strerror if isinstance(cause, OSError) else None  # str() would put "[Errno 28]" before it
    return words or str(cause) or type(cause).__name__
