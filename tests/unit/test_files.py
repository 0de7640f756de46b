"""core.files: arrays on disk, whole or not at all, and whatever is wrong with a file."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core import files
from core.files import load_arrays, new_folder, patiently, remove_leftovers, save_arrays, write_json_quickly

ARRAYS = {"numbers": np.arange(300, dtype=np.int16), "names": np.array(["cat", "dog"]), "one": np.array(7)}


@pytest.mark.parametrize("compress", [False, True])
def test_what_was_saved_is_loaded(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "new" / "folder" / "a.npz"
    save_arrays(path, ARRAYS, compress=compress)
    found = load_arrays(path, ["numbers", "names"], optional=["one", "none"])
    assert found is not None
    assert list(found) == ["numbers", "names", "one"]
    for name, value in found.items():
        np.testing.assert_array_equal(value, ARRAYS[name])
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]


def test_what_is_missing_is_nothing(tmp_path: Path) -> None:
    assert load_arrays(tmp_path / "a.npz", ["numbers"]) is None
    save_arrays(tmp_path / "a.npz", ARRAYS)
    assert load_arrays(tmp_path / "a.npz", ["numbers", "others"]) is None
    assert load_arrays(tmp_path, ["numbers"]) is None


@pytest.mark.parametrize("compress", [False, True])
def test_a_damaged_file_gives_what_was_saved_or_nothing(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, ARRAYS, compress=compress)
    whole, rng = path.read_bytes(), random.Random(0)
    refused = 0
    for position in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[position] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        found = load_arrays(path, list(ARRAYS))
        refused += found is None
        for name, value in (found or {}).items():
            np.testing.assert_array_equal(value, ARRAYS[name])
    assert refused > len(whole) / 30
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        assert load_arrays(path, list(ARRAYS)) is None


def test_no_pickle_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", harmful=np.array([{"a": 1}], dtype=object))
    assert load_arrays(tmp_path / "a.npz", ["harmful"]) is None


def test_writing_leaves_the_mask_of_the_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of all threads: what another one made at that moment would have been open to everybody."""

    def touched(_mask: int) -> int:
        raise AssertionError("the umask was changed")

    monkeypatch.setattr("os.umask", touched)
    save_arrays(tmp_path / "a.npz", ARRAYS)
    with new_folder(tmp_path / "folder"):
        pass
    monkeypatch.undo()
    (tmp_path / "plain").touch()
    (tmp_path / "plain-folder").mkdir()
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert (modes["a.npz"], modes["folder"]) == (modes["plain"], modes["plain-folder"])


def test_leftovers_of_viewers_are_left_to_them(tmp_path: Path) -> None:
    for name in (".a.json.1.tmp", "checkpoints/.b.tmp", "derived/x/.atlas.npz.2.tmp", "kept.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    remove_leftovers(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["derived/x/.atlas.npz.2.tmp", "kept.json"]


@pytest.mark.parametrize(("system", "asked"), [("nt", 3), ("posix", 1)])
def test_a_file_that_windows_refuses_for_a_moment_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, system: str, asked: int
) -> None:
    monkeypatch.setattr(files, "os", SimpleNamespace(name=system))
    calls = []

    def busy_twice() -> str:
        calls.append(0)
        if len(calls) < 3:
            raise PermissionError("in use")
        return "done"

    try:
        assert patiently(busy_twice) == "done"
    except PermissionError:
        assert system == "posix"
    assert len(calls) == asked


@pytest.mark.parametrize("system", ["nt", "posix"])
def test_a_heartbeat_that_windows_refuses_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(files, "os", SimpleNamespace(name=system))
    monkeypatch.setattr(Path, "replace", refuse)
    if system == "nt":
        write_json_quickly(tmp_path / "progress.json", {})
    else:
        with pytest.raises(PermissionError):
            write_json_quickly(tmp_path / "progress.json", {})
