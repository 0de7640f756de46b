"""A tree of class folders as two image sets, decoded once and then read from one cache file."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from core.data.folder_cache import DecodedTree, read_decoded, write_decoded
from core.data.folder_tree import Tree, scan, some
from core.data.images import ImageSet, part_size, split_off
from core.data.locks import exclusive
from core.data.uploads import open_image
from core.errors import DataError, ImageError, ImageUnavailableError
from core.progress import OnProgress

MAX_SIDE = 227  # the network's input: it never sees more detail than this
MAX_TENSOR_BYTES = 2 * 1024**3

_VERSION = 1  # part of the cache's name: raise it when the same files give other pixels
_CHUNK = 16  # images a thread decodes before it reports
_MAX_THREADS = 8
_REPORT_SECONDS = 0.1
_TEST_FRACTION = 0.15  # of a tree without a test part
_Failures = dict[int, ImageError]  # by the position of the image


class _MixedSizesError(Exception):
    """Not every image is a square of the first one's size."""


def load_folder(
    folder: Path, *, cache_dir: Path, seed: int, progress: OnProgress
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """(train, test, notes) from `train/<class>/**` and `test/<class>/**`, or from one level of `<class>/**`.

    One level (or no test folder) is split: 15 % of every class become the test set, by `seed`. Classes are the folder
    names, sorted. Hidden files, and linked folders inside of a class, are skipped; folders beside train and test are
    named in the notes.

    Sizes: where all images are squares of one size up to the largest side S they stay as they are. Otherwise every
    image is scaled (antialiased bicubic) so that its shorter side is S, and its middle square kept. S is 227, or less
    where N x 3 x S x S bytes would pass 2 GiB.

    An unreadable image is left out and named in the notes. Raises DataError, and StopRequested out of `progress`.
    """
    tree = scan(folder)
    rules = f"{_VERSION} {MAX_SIDE} {MAX_TENSOR_BYTES}"
    cache = cache_dir / f"{tree.fingerprint(rules)}.safetensors"
    notes = list(tree.notes)
    decoded = read_decoded(cache, folder)
    if decoded is None:
        with exclusive(cache_dir / "folder.lock", progress, "Waiting for another reader of class folders"):
            decoded = read_decoded(cache, folder)
            if decoded is None:
                decoded = _decode(tree, folder, progress)
                if problem := write_decoded(cache, decoded):
                    notes.append(f"The decoded images could not be kept in {cache_dir} for next time: {problem}.")
    notes.extend(decoded.notes)
    _require_readable(tree, decoded, folder)
    if tree.num_test == 0:
        notes.append(f"No test folder: {_TEST_FRACTION:.0%} of every class was set aside as the test set.")
        return *split_off(decoded.images, _TEST_FRACTION, seed), tuple(notes)
    num_train = len(decoded.images) - decoded.num_test
    return _rows(decoded.images, slice(num_train)), _rows(decoded.images, slice(num_train, None)), tuple(notes)


def count_folder(folder: Path) -> tuple[int, int]:
    """How many (training, test) images load_folder will find if all can be read. Raises DataError likewise."""
    tree = scan(folder)
    num_test = tree.num_test or sum(part_size(count, _TEST_FRACTION) for count in np.bincount(tree.labels).tolist())
    return len(tree.files) - num_test, num_test


def _require_readable(tree: Tree, decoded: DecodedTree, folder: Path) -> None:
    """Raises DataError where nothing is left of a class to train on.

    Or of the test part: training images must not stand in for it.
    """
    num_train = len(decoded.images) - decoded.num_test
    counts = np.bincount(decoded.images.labels[:num_train].numpy(), minlength=len(tree.class_names))
    if lost := [name for name, count in zip(tree.class_names, counts, strict=True) if not count]:
        raise DataError(
            f"None of the training images of {some(lost)} in {folder} can be read. Replace them, or remove the class."
        )
    if tree.num_test and not decoded.num_test:
        raise DataError(
            f"None of the {tree.num_test:,} test images in {folder} can be read. Replace them, or remove the test "
            "folder: then images of the others are set aside."
        )


def _rows(images: ImageSet, rows: slice) -> ImageSet:
    """A view: `select` would copy, and a tree may hold 2 GiB."""
    return ImageSet(images.images[rows], images.labels[rows], images.class_names)


def _decode(tree: Tree, folder: Path, progress: OnProgress) -> DecodedTree:
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
        names = some([tree.files[index].path for index in sorted(failed)])
        notes.append(f"{len(failed):,} images could not be read and were left out: {names}.")
        keep = torch.ones(len(paths), dtype=torch.bool)
        keep[list(failed)] = False
        pixels, labels = pixels[keep], labels[keep]
        num_test -= sum(index >= len(paths) - tree.num_test for index in failed)
    unavailable = tuple(
        tree.files[index].path for index, error in failed.items() if isinstance(error, ImageUnavailableError)
    )
    return DecodedTree(ImageSet(pixels, labels, tree.class_names), num_test, tuple(notes), unavailable)


def _first_size(paths: Sequence[Path], folder: Path) -> tuple[int, int]:
    for path in paths:
        try:
            return open_image(path).size
        except ImageError as error:
            problem = error
    raise DataError(f"None of the {len(paths):,} images in {folder} can be read. {problem}")


def _decode_all(paths: Sequence[Path], side: int, exact: bool, progress: OnProgress) -> tuple[torch.Tensor, _Failures]:
    """All images as uint8, N x 3 x side x side, and by position why some can't be read.

    Raises _MixedSizesError if `exact` and an image is not side x side already.
    """
    pixels = torch.zeros((len(paths), 3, side, side), dtype=torch.uint8)
    rows = pixels.numpy()
    failed: _Failures = {}
    stopped = threading.Event()

    def decode(chunk: range) -> None:
        for index in chunk:
            if stopped.is_set():
                return
            try:
                image = open_image(paths[index], target=side)
            except ImageError as error:
                failed[index] = error
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
    return pixels, failed
