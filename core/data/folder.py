"""A tree of class folders as two image sets, decoded once and then read from one cache file."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from core.data.folder_cache import DecodedTree, read_decoded, write_decoded
from core.data.images import ImageSet, part_size, split_off
from core.data.locks import exclusive
from core.data.uploads import open_image
from core.errors import DataError, ImageError
from core.progress import OnProgress

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MAX_SIDE = 227  # the network's input: it never sees more detail than this
MAX_TENSOR_BYTES = 2 * 1024**3

_VERSION = 1  # part of the cache's name: raise it when the same files give other pixels
_CHUNK = 16  # images a thread decodes before it reports
_MAX_THREADS = 8
_REPORT_SECONDS = 0.1
_NAMES_SHOWN = 3


class _File(NamedTuple):
    path: str  # relative to the tree's root, with forward slashes
    num_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class _Tree:
    """What the folders hold, before anything is decoded. Training files come first, `num_test` test files last."""

    files: list[_File]
    labels: list[int]
    class_names: tuple[str, ...]
    num_test: int
    notes: tuple[str, ...]

    def fingerprint(self) -> str:
        """16 hex digits of all that decides the decoded tensor: files, sizes, times, this loader's rules."""
        digest = hashlib.sha256(f"{_VERSION} {MAX_SIDE} {MAX_TENSOR_BYTES} {self.num_test}\n".encode())
        for file, label in zip(self.files, self.labels, strict=True):
            digest.update(os.fsencode(f"{file.path}\0{file.num_bytes}\0{file.mtime_ns}\0{label}\n"))
        return digest.hexdigest()[:16]


class _MixedSizesError(Exception):
    """Not every image is a square of the first one's size."""


def load_folder(
    folder: Path, *, cache_dir: Path, test_fraction: float = 0.15, seed: int, progress: OnProgress
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """(train, test, notes) from `train/<class>/**` and `test/<class>/**`, or from one level of `<class>/**`.

    One level (or no test folder) is split: `test_fraction` of every class, by `seed`. Classes are the folder names,
    sorted. Hidden files and linked folders are skipped.

    Sizes: where all images are squares of one size up to the largest side S they stay as they are. Otherwise every
    image is scaled (antialiased bicubic) so that its shorter side is S, and its middle square kept. S is 227, or less
    where N x 3 x S x S bytes would pass 2 GiB.

    An unreadable image is left out and named in the notes. Raises DataError, and StopRequested out of `progress`.
    """
    tree = _scan(folder)
    cache = cache_dir / f"{tree.fingerprint()}.safetensors"
    notes = list(tree.notes)
    decoded = read_decoded(cache)
    if decoded is None:
        with exclusive(cache_dir / "folder.lock", progress, "Waiting for another reader of class folders"):
            decoded = read_decoded(cache)
            if decoded is None:
                decoded = _decode(tree, folder, progress)
                if problem := write_decoded(cache, decoded):
                    notes.append(f"The decoded images could not be kept in {cache_dir} for next time: {problem}.")
    notes.extend(decoded.notes)
    if decoded.num_test == 0:
        notes.append(f"No test folder: {test_fraction:.0%} of every class was set aside as the test set.")
        return *split_off(decoded.images, test_fraction, seed), tuple(notes)
    num_train = len(decoded.images) - decoded.num_test
    return _rows(decoded.images, slice(num_train)), _rows(decoded.images, slice(num_train, None)), tuple(notes)


def count_folder(folder: Path, test_fraction: float = 0.15) -> tuple[int, int]:
    """How many (training, test) images load_folder will find if all can be read. Raises DataError likewise."""
    tree = _scan(folder)
    num_test = tree.num_test or sum(part_size(count, test_fraction) for count in np.bincount(tree.labels).tolist())
    return len(tree.files) - num_test, num_test


def _rows(images: ImageSet, rows: slice) -> ImageSet:
    """A view: `select` would copy, and a tree may hold 2 GiB."""
    return ImageSet(images.images[rows], images.labels[rows], images.class_names)


def _scan(folder: Path) -> _Tree:
    try:
        # A class may be called "train" too; it is a part of the tree only if it holds folders itself.
        has_parts = bool(_subfolders(folder / "train"))
        train, num_other = _images_by_class(folder / "train" if has_parts else folder, folder)
        test, num_other_test = _images_by_class(folder / "test", folder) if has_parts else ({}, 0)
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror}. Name the folder that holds your images.") from error
    _require_classes(train, test, folder)
    names = tuple(name for name, files in train.items() if files)
    notes = []
    if empty := [name for name in train if name not in names]:
        notes.append(f"Left out, for they hold no image: {_some(empty)}.")
    if test and (unseen := [name for name in names if not test.get(name)]):
        notes.append(f"The test folder has no image of {_some(unseen)}.")
    if num_other + num_other_test:
        notes.append(f"{num_other + num_other_test:,} files that are not images were left out.")
    pairs = [(file, label) for part in (train, test) for label, name in enumerate(names) for file in part.get(name, ())]
    num_test = sum(len(files) for files in test.values())
    return _Tree([file for file, _ in pairs], [label for _, label in pairs], names, num_test, tuple(notes))


def _require_classes(train: dict[str, list[_File]], test: dict[str, list[_File]], folder: Path) -> None:
    num_classes = sum(bool(files) for files in train.values())
    if num_classes < 2:
        raise DataError(
            f"{folder} holds {num_classes} class folder(s) with images; at least 2 are needed. "
            "Put the images of each class in a folder of its own, named after the class."
        )
    if unknown := [name for name, files in test.items() if files and not train.get(name)]:
        raise DataError(
            f"{folder / 'test'} has images of {_some(unknown)}, of which there are none to train on. "
            "Add them to the train folder, or remove them from the test folder."
        )


def _images_by_class(part: Path, root: Path) -> tuple[dict[str, list[_File]], int]:
    """The image files of each class folder in `part`, sorted, and how many other files there are."""
    classes: dict[str, list[_File]] = {}
    num_other = 0
    for folder in _subfolders(part):
        files = list(_walk(folder, f"{folder.relative_to(root).as_posix()}/"))
        classes[folder.name] = [file for file in files if file.path.lower().endswith(EXTENSIONS)]
        num_other += len(files) - len(classes[folder.name])
    return classes, num_other


def _subfolders(folder: Path) -> list[Path]:
    if folder.name in ("train", "test") and not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk(folder: Path | str, prefix: str) -> Iterator[_File]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):  # a linked folder may lead back up, for ever
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                yield _File(prefix + entry.name, stat.st_size, stat.st_mtime_ns)


def _decode(tree: _Tree, folder: Path, progress: OnProgress) -> DecodedTree:
    paths = [folder / file.path for file in tree.files]
    largest = min(MAX_SIDE, math.isqrt(MAX_TENSOR_BYTES // (3 * len(paths))))
    width, height = _first_size(paths, folder)
    try:
        # One size is the common case. Learning the truth on the way is cheaper than reading all headers first.
        exact = width == height <= largest
        pixels, failed = _decode_all(paths, width if exact else largest, exact, progress)
    except _MixedSizesError:
        pixels, failed = _decode_all(paths, largest, False, progress)
    labels = torch.tensor(tree.labels)
    num_test, notes = tree.num_test, []
    if failed:
        names = _some([tree.files[index].path for index in failed])
        notes.append(f"{len(failed):,} images could not be read and were left out: {names}.")
        keep = torch.ones(len(paths), dtype=torch.bool)
        keep[failed] = False
        pixels, labels = pixels[keep], labels[keep]
        num_test -= sum(index >= len(paths) - tree.num_test for index in failed)
    return DecodedTree(ImageSet(pixels, labels, tree.class_names), num_test, tuple(notes))


def _first_size(paths: Sequence[Path], folder: Path) -> tuple[int, int]:
    for path in paths:
        try:
            return open_image(path).size
        except ImageError as error:
            problem = error
    raise DataError(f"None of the {len(paths):,} images in {folder} can be read. {problem}")


def _decode_all(paths: Sequence[Path], side: int, exact: bool, progress: OnProgress) -> tuple[torch.Tensor, list[int]]:
    """All images as uint8, N x 3 x side x side, and the positions of those that can't be read.

    Raises _MixedSizesError if `exact` and an image is not side x side already.
    """
    pixels = torch.zeros((len(paths), 3, side, side), dtype=torch.uint8)
    rows = pixels.numpy()
    failed: list[int] = []
    stopped = threading.Event()

    def decode(chunk: range) -> None:
        for index in chunk:
            if stopped.is_set():
                return
            try:
                image = open_image(paths[index], target=side)
            except ImageError:
                failed.append(index)
                continue
            if image.size != (side, side):
                if exact:
                    raise _MixedSizesError
                image = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
            rows[index] = np.asarray(image).transpose(2, 0, 1)

    total, reported = len(paths), 0.0
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), "decode") as pool:
        chunks = [range(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
        futures = [pool.submit(decode, chunk) for chunk in chunks]
        try:
            for count, future in enumerate(as_completed(futures), 1):
                future.result()
                if (now := time.monotonic()) - reported > _REPORT_SECONDS or count == len(futures):
                    reported = now
                    done = min(count * _CHUNK, total)
                    progress(done, total, f"Reading images: {done:,} of {total:,}")
        finally:
            stopped.set()  # also on the user's wish to stop: each thread ends after the image in hand
            pool.shutdown(cancel_futures=True)
    return pixels, sorted(failed)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else shown
