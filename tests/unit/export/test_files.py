"""core.export.files: whole or not at all, through links, and a sentence for what is no place for a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import ExportError
from core.export.files import whole


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with whole(path) as temporary:
            temporary.write_text("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        fail()
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    def fail() -> None:
        with whole(tmp_path / "a.txt"):
            raise OSError(28, "No space left on device")

    with pytest.raises(ExportError, match=r"a\.txt can't be used: No space left on device\.$"):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    with whole(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize("kind", ["folder", "pipe", "below a file"])
def test_what_is_no_place_for_a_file_is_a_sentence_and_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("a file")
        path = path / "x"
    before = [found.lstat().st_ino for found in tmp_path.iterdir()]
    with pytest.raises(ExportError, match=r"odd.* (is a folder|no ordinary file|can't be used)"), whole(path):
        pass
    assert [found.lstat().st_ino for found in tmp_path.iterdir()] == before
