"""Which files a tree of class folders holds, and of which class: nothing is opened yet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_NAMES_SHOWN = 3


class File(NamedTuple):
    path: str  # relative to the tree's root, with forward slashes
    num_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Tree:
    """What the folders hold, before anything is decoded. Training files come first, `num_test` test files last."""

    files: list[File]
    labels: list[int]
    class_names: tuple[str, ...]
    num_test: int
    notes: tuple[str, ...]

    def fingerprint(self, rules: str) -> str:
        """16 hex digits of all that decides the decoded tensor: files, sizes, times, the decoder's `rules`."""
        digest = hashlib.sha256(f"{rules} {self.num_test}\n".encode())
        for file, label in zip(self.files, self.labels, strict=True):
            digest.update(os.fsencode(f"{file.path}\0{file.num_bytes}\0{file.mtime_ns}\0{label}\n"))
        return digest.hexdigest()[:16]


def scan(folder: Path) -> Tree:
    """The tree in `folder`, its parts train and test (in any case) or one level of classes. Raises DataError."""
    try:
        top = _subfolders(folder)
        parts = {path.name.lower(): path for path in top if path.name.lower() in ("train", "test")}
        # A class may be called "train" too; it is a part of the tree only if it holds folders itself.
        if not ("train" in parts and _subfolders(parts["train"])):
            parts = {"train": folder}
        train, num_other = _images_by_class(parts["train"], folder)
        test, num_other_test = _images_by_class(parts["test"], folder) if "test" in parts else ({}, 0)
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror}. Name the folder that holds your images.") from error
    _require_classes(train, test, folder)
    names = tuple(name for name, files in train.items() if files)
    _require_text(names, folder)
    notes = []
    if parts["train"] != folder and (beside := [path.name for path in top if path not in parts.values()]):
        notes.append(f"Left out: {some(beside)}; validation images are split off train.")
    if empty := [name for name in train if name not in names]:
        notes.append(f"Left out, for they hold no image: {some(empty)}.")
    if test and (unseen := [name for name in names if not test.get(name)]):
        notes.append(f"The test folder has no image of {some(unseen)}.")
    if num_other + num_other_test:
        notes.append(f"{num_other + num_other_test:,} files that are not images were left out.")
    pairs = [(file, label) for part in (train, test) for label, name in enumerate(names) for file in part.get(name, ())]
    num_test = sum(len(files) for files in test.values())
    return Tree([file for file, _ in pairs], [label for _, label in pairs], names, num_test, tuple(notes))


def _require_classes(train: dict[str, list[File]], test: dict[str, list[File]], folder: Path) -> None:
    num_classes = sum(bool(files) for files in train.values())
    if num_classes < 2:
        raise DataError(
            f"{folder} holds {num_classes} class folder(s) with images; at least 2 are needed. "
            "Put the images of each class in a folder of its own, named after the class."
        )
    if unknown := [name for name, files in test.items() if files and not train.get(name)]:
        raise DataError(
            f"The test folder in {folder} has images of {some(unknown)}, of which there are none to train on. "
            "Add them to the train folder, or remove them from the test folder."
        )


def _require_text(classes: Iterable[str], folder: Path) -> None:
    """Class names go into every record: their bytes have to be text."""
    for name in classes:
        if (readable := _as_text(name)) != name:
            raise DataError(
                f"The name of the class folder {readable!r} in {_as_text(str(folder))} is not UTF-8 text: rename it."
            )


def _as_text(name: str) -> str:
    """A file's name with a mark where its bytes are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _images_by_class(part: Path, root: Path) -> tuple[dict[str, list[File]], int]:
    """The image files of each class folder in `part`, sorted, and how many other files there are."""
    classes: dict[str, list[File]] = {}
    num_other = 0
    for folder in _subfolders(part):
        files = list(_walk(folder, f"{folder.relative_to(root).as_posix()}/"))
        classes[folder.name] = [file for file in files if file.path.lower().endswith(EXTENSIONS)]
        num_other += len(files) - len(classes[folder.name])
    return classes, num_other


def _subfolders(folder: Path) -> list[Path]:
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(folders, key=lambda path: path.name)  # as paths they sort otherwise on Windows


def _walk(folder: Path | str, prefix: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):  # a linked folder may lead back up, for ever
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                yield File(prefix + entry.name, stat.st_size, stat.st_mtime_ns)


def some(names: Sequence[str]) -> str:
    """The first few of `names`, and how many more there are."""
    shown = ", ".join(map(_as_text, names[:_NAMES_SHOWN]))
    return f"{shown} and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else shown
