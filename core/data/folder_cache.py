"""Decoded class folders kept as one safetensors file: whole, checked on reading, and rebuilt where in doubt."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from core.data.images import ImageSet

_KEEP_FILES = 4  # each holds up to 2 GiB; a tree that changed leaves its old file behind


@dataclass(frozen=True)
class DecodedTree:
    """All images of a tree: the training part first, then `num_test` images of its test part (0: it has none).

    unavailable: paths of images that could not be opened, which says nothing of what is in them.
    """

    images: ImageSet
    num_test: int
    notes: tuple[str, ...]
    unavailable: tuple[str, ...] = ()


def read_decoded(path: Path, folder: Path) -> DecodedTree | None:
    """The tree of `folder` in cache file `path`; None where it is missing, damaged, or does not hold what was written.

    And where an image that was unavailable isn't any more.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["tree"])
            images = ImageSet(file.get_tensor("images"), file.get_tensor("labels"), tuple(about["class_names"]))
        # The format notices a cut file but not a flipped bit.
        if images.fingerprint() != about["fingerprint"]:
            return None
        unavailable = tuple(about.get("unavailable", ()))
        if any(os.access(folder / missing, os.R_OK) for missing in unavailable):
            return None
        return DecodedTree(images, int(about["num_test"]), tuple(about["notes"]), unavailable)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def write_decoded(path: Path, tree: DecodedTree) -> str | None:
    """Writes `path` beside and renames it; drops the oldest files. Returns why it failed, None where it worked.

    One writer at a time: the caller holds the folder's lock. No fsync, since what a power cut damages is rebuilt.
    """
    about = {
        "class_names": tree.images.class_names, "num_test": tree.num_test, "notes": tree.notes,
        "fingerprint": tree.images.fingerprint(), "unavailable": tree.unavailable,
    }  # fmt: skip
    part = path.with_suffix(".part")
    try:
        tensors = {"images": tree.images.images, "labels": tree.images.labels}
        save_file(tensors, part, metadata={"tree": json.dumps(about)})
        part.replace(path)
        _drop_oldest(path.parent)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return str(error)
    return None


def _drop_oldest(folder: Path) -> None:
    """Touches only files named as ours: 16 hex digits, and the .part of a writer that was killed."""
    ours = [p for p in folder.glob("[0-9a-f]" * 16 + ".*") if p.suffix in (".safetensors", ".part")]
    for path in sorted(ours, key=lambda p: p.stat().st_mtime_ns, reverse=True)[_KEEP_FILES:]:
        with suppress(OSError):  # Windows keeps a file that is still mapped; it goes next time
            path.unlink()
