"""core.data.folder: trees as users have them, and the cache. Run: pytest tests/unit/data/test_folder.py"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import folder as folder_module
from core.data.folder import count_folder, load_folder
from core.data.images import ImageSet
from core.errors import DataError, ImageUnavailableError, StopRequested
from core.progress import no_progress
from tests.conftest import class_counts

Loaded = tuple[ImageSet, ImageSet, tuple[str, ...]]


def write_image(path: Path, size: tuple[int, int] = (12, 12), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *path.name.encode()]).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes, train and test: 4 + 4 and 2 + 2 images of 12 x 12 pixels."""
    root = tmp_path / "tree"
    for part, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for index in range(count):
                write_image(root / part / name / f"{index}.png", seed=10 * label + len(part))
    return root


def load(root: Path, seed: int = 0) -> Loaded:
    return load_folder(root, cache_dir=root.parent / "cache", seed=seed, progress=no_progress)


def cache_files(root: Path) -> list[Path]:
    return sorted((root.parent / "cache").glob("*.safetensors"))


def test_train_and_test_folders(tree: Path) -> None:
    train, test, notes = load(tree)
    assert train.class_names == test.class_names == ("cat", "dog")
    assert (class_counts(train), class_counts(test)) == ([4, 4], [2, 2])
    assert count_folder(tree) == (8, 4)
    assert train.images.shape == (8, 3, 12, 12)
    with Image.open(tree / "test" / "dog" / "1.png") as image:
        assert np.array_equal(test.image(3), np.asarray(image))
    assert not train.synthetic
    assert notes == ()


def test_one_level_is_split_by_seed(tree: Path) -> None:
    train, test, notes = load(tree / "train")
    assert (class_counts(train), class_counts(test)) == ([3, 3], [1, 1])
    assert count_folder(tree / "train") == (6, 2)
    assert notes == ("No test folder: 15% of every class was set aside as the test set.",)
    assert any(not torch.equal(load(tree / "train", seed)[1].images, test.images) for seed in range(1, 5))
    assert len(cache_files(tree / "train")) == 1  # another seed decodes nothing again


def test_class_called_train(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        for index in range(3):
            write_image(tmp_path / "tree" / name / f"{index}.png")
    assert load(tmp_path / "tree")[0].class_names == ("bus", "train")


def test_train_and_test_may_begin_with_a_capital(tree: Path) -> None:
    expected = [part.fingerprint() for part in load(tree)[:2]]
    for part in ("train", "test"):
        (tree / part).rename(tree / part.capitalize())
    train, test, notes = load(tree)
    assert ([train.fingerprint(), test.fingerprint()], notes) == (expected, ())
    assert count_folder(tree) == (8, 4)


def test_folders_beside_train_are_said_to_be_left_out(tree: Path) -> None:
    write_image(tree / "val" / "cat" / "0.png")
    train, _, notes = load(tree)
    assert class_counts(train) == [4, 4]
    assert notes == ("Left out: val; validation images are split off train.",)


def test_nested_folders_and_any_case_of_extension(tree: Path) -> None:
    for name in ("a.JPG", "b.Jpeg", "deep/er/c.webp", "d.bmp", "e.GIF", "f.PNG"):
        write_image(tree / "train" / "cat" / name)
    assert class_counts(load(tree)[0]) == [10, 4]


def test_hidden_files_are_ignored_and_others_counted(tree: Path) -> None:
    write_image(tree / "train" / "cat" / ".hidden.png")
    write_image(tree / "train" / ".git" / "x.png")
    (tree / "train" / "cat" / "Thumbs.db").write_bytes(b"x")
    (tree / "test" / "dog" / "notes.txt").write_text("x", encoding="utf-8")
    train, _, notes = load(tree)
    assert class_counts(train) == [4, 4]
    assert notes == ("2 files that are not images were left out.",)


def test_linked_folder_that_leads_back_up_ends(tree: Path) -> None:
    (tree / "train" / "cat" / "loop").symlink_to(tree / "train", target_is_directory=True)
    assert class_counts(load(tree)[0]) == [4, 4]


def test_broken_images_are_named_and_left_out(tree: Path) -> None:
    for index in range(4):
        (tree / "train" / "cat" / f"bad{index}.png").write_bytes(b"not an image")
    (tree / "test" / "dog" / "1.png").write_bytes((tree / "test" / "dog" / "1.png").read_bytes()[:100])
    for _ in range(2):  # read from the files, then from the cache
        train, test, notes = load(tree)
        assert (class_counts(train), class_counts(test)) == ([4, 4], [2, 1])
        assert notes == (
            "5 images could not be read and were left out: train/cat/bad0.png, train/cat/bad1.png, "
            "train/cat/bad2.png and 2 more.",
        )


def test_mixed_sizes_are_scaled_and_cropped_to_one_square(tree: Path) -> None:
    wide = Image.new("RGB", (600, 300), "red")
    wide.paste("blue", (150, 0, 450, 300))
    wide.save(tree / "train" / "dog" / "wide.jpg", quality=95)
    train, test, _ = load(tree)
    assert train.image_size == test.image_size == 227
    blue = train.images[-1].float()
    assert blue[2, 5:-5, 5:-5].min() > 240
    assert blue[0, 5:-5, 5:-5].max() < 15


def test_large_squares_of_one_size_are_scaled(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / "tree" / name / "0.png", (300, 300))
        write_image(tmp_path / "tree" / name / "1.png", (300, 300))
    assert load(tmp_path / "tree")[0].image_size == 227


def test_side_shrinks_where_the_tensor_would_grow_too_large(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_TENSOR_BYTES", 12 * 3 * 10 * 10)
    assert load(tree)[0].image_size == 10


def test_second_load_reads_the_cache(tree: Path) -> None:
    first = load(tree)
    calls: list[str] = []
    again = load_folder(tree, cache_dir=tree.parent / "cache", seed=0, progress=lambda *call: calls.append(call[2]))
    assert calls == []
    assert [part.fingerprint() for part in again[:2]] == [part.fingerprint() for part in first[:2]]


def test_changed_file_is_seen(tree: Path) -> None:
    before = load(tree)[0]
    write_image(tree / "train" / "cat" / "0.png", seed=99)
    os.utime(tree / "train" / "cat" / "0.png", ns=(1, 1))
    assert load(tree)[0].fingerprint() != before.fingerprint()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "junk"])
def test_damaged_cache_is_rebuilt(tree: Path, damage: str) -> None:
    before = load(tree)[0].fingerprint()
    (cache,) = cache_files(tree)
    data = bytearray(cache.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
    cache.write_bytes({"cut": data[:-50], "flip": data, "empty": b"", "junk": b"x" * 500}[damage])
    assert load(tree)[0].fingerprint() == before
    calls: list[str] = []
    load_folder(tree, cache_dir=cache.parent, seed=0, progress=lambda *call: calls.append(call[2]))
    assert calls == []


def test_cache_keeps_few_files_and_touches_no_others(tree: Path) -> None:
    other = tree.parent / "cache" / "weights.safetensors"
    other.parent.mkdir()
    other.write_bytes(b"x")
    for seed in range(7):
        write_image(tree / "train" / "cat" / f"new{seed}.png")
        load(tree)
    assert len(cache_files(tree)) == 4 + 1
    assert other.exists()


def test_stop_ends_the_pool_and_leaves_no_cache(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_CHUNK", 1)

    def stop(done: int, total: int, message: str) -> None:
        assert message == f"Reading images: {done} of {total}"
        raise StopRequested("stopped")

    threads = threading.active_count()
    with pytest.raises(StopRequested):
        load_folder(tree, cache_dir=tree.parent / "cache", seed=0, progress=stop)
    assert threading.active_count() == threads
    assert cache_files(tree) == []
    assert class_counts(load(tree)[0]) == [4, 4]


def test_an_image_that_cannot_be_opened_now_is_read_next_time(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_image = folder_module.open_image

    def refuse(path: Path, **named: int) -> Image.Image:
        if path.name == "1.png":
            raise ImageUnavailableError("1.png could not be opened.")
        return open_image(path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "open_image", refuse)
        train, test, notes = load(tree)
        assert (class_counts(train), class_counts(test)) == ([3, 3], [1, 1])
        assert "4 images could not be read and were left out" in notes[0]
        patch.setattr("os.access", lambda *_: False)
        patch.setattr(folder_module, "open_image", None)  # the cache is enough
        assert load(tree)[2] == notes
    train, test, notes = load(tree)
    assert (class_counts(train), class_counts(test), notes) == ([4, 4], [2, 2], ())


def test_names_that_are_no_text_are_said(tree: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    try:
        (tree / "train" / "cat" / odd).write_bytes(b"no image")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    notes = load(tree)[2]
    assert notes == ("1 images could not be read and were left out: train/cat/caf\N{REPLACEMENT CHARACTER}.png.",)
    write_image(tree / "train" / os.fsdecode(b"\xe9t\xe9") / "0.png")
    with pytest.raises(DataError, match=r"class folder '\ufffdt\ufffd' .* rename"):
        load(tree)


def test_two_loaders_at_once_decode_once(tree: Path) -> None:
    messages: list[str] = []

    def slow(_done: int, _total: int, message: str) -> None:
        messages.append(message)
        time.sleep(0.4)

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_folder, tree, cache_dir=tree.parent / "c", seed=0, progress=slow) for _ in range(2)]
    assert loads[0].result()[0].fingerprint() == loads[1].result()[0].fingerprint()
    assert sum(message.startswith("Reading images: 12") for message in messages) == 1
    assert any(message.startswith("Waiting") for message in messages)


def test_classes_must_match(tree: Path) -> None:
    (tree / "train" / "empty").mkdir()
    for index in range(2):
        write_image(tree / "train" / "eel" / f"{index}.png")
    assert load(tree)[2] == ("Left out, for they hold no image: empty.", "The test folder has no image of eel.")
    write_image(tree / "test" / "fox" / "0.png")
    with pytest.raises(DataError, match="images of fox, of which there are none to train on"):
        load(tree)


@pytest.mark.parametrize("content", ["nothing", "one class", "loose files", "no folder", "a file"])
def test_unusable_tree_is_a_sentence(tmp_path: Path, content: str) -> None:
    root = tmp_path / "tree"
    if content == "a file":
        root.write_bytes(b"x")
    elif content != "no folder":
        root.mkdir()
    if content in ("one class", "loose files"):
        write_image(root / ("cat/0.png" if content == "one class" else "0.png"))
    with pytest.raises(DataError, match=r"class folder|can't be read") as caught:
        load(root)
    assert str(root) in str(caught.value)


def test_only_broken_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "0.png").write_bytes(b"x")
    with pytest.raises(DataError, match="None of the 2 images"):
        load(tmp_path / "tree")


def test_a_test_folder_that_cannot_be_read_is_not_replaced_by_training_images(tree: Path) -> None:
    for path in (tree / "test").rglob("*.png"):
        path.write_bytes(b"x")
    for _ in range(2):  # read from the files, then from the cache
        with pytest.raises(DataError, match=r"None of the 4 test images in .*tree can be read"):
            load(tree)


@pytest.mark.parametrize("part", ["", "train"])
def test_a_class_without_a_readable_training_image_is_named(tree: Path, part: str) -> None:
    for path in (tree / "train" / "dog").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"None of the training images of dog in .* can be read"):
        load(tree if part else tree / "train")


def test_unwritable_cache_is_a_sentence(tree: Path) -> None:
    (tree.parent / "cache").write_bytes(b"a file is in the way")
    with pytest.raises(DataError, match="can't be written"):
        load(tree)
