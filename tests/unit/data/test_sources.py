"""core.data.sources: three disjoint sets for every source. Run: pytest tests/unit/data/test_sources.py"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import make_config
from core.data.images import DataSplits
from core.data.sources import load_data, load_test_images
from core.errors import DataError, DataMissingError
from tests.conftest import class_counts


def image_bytes(splits: DataSplits) -> list[set[bytes]]:
    return [{image.numpy().tobytes() for image in part.images} for part in (splits.train, splits.val, splits.test)]


def assert_disjoint(splits: DataSplits) -> None:
    sets = image_bytes(splits)
    assert [len(s) for s in sets] == list(splits.counts().values())
    assert len(set.union(*sets)) == sum(splits.counts().values())


def write_tree(root: Path, num_images: int) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for index in range(num_images):
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(root / name / f"{index}.png")
    return root


def test_shapes_obey_the_limits(tmp_path: Path) -> None:
    splits = load_data(make_config(train_limit=200, val_limit=50), data_dir=tmp_path)
    assert splits.counts() == {"train": 200, "val": 50, "test": 1000}
    assert class_counts(splits.train) == [20] * 10
    assert splits.train.synthetic
    assert_disjoint(splits)


def test_shapes_without_limits(tmp_path: Path) -> None:
    splits = load_data(make_config(train_limit=None, val_limit=None, val_fraction=0.2), data_dir=tmp_path)
    assert splits.counts() == {"train": 4800, "val": 1200, "test": 1000}


def test_same_config_same_sets(tmp_path: Path) -> None:
    first, again = (load_data(make_config(seed=5), data_dir=tmp_path) for _ in range(2))
    assert [s.fingerprint() for s in (first.train, first.val, first.test)] == [
        s.fingerprint() for s in (again.train, again.val, again.test)
    ]


def test_folder_is_split_in_three_and_cached_in_the_data_folder(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pets", 20)
    config = make_config(data_source="folder", data_dir=tree, val_fraction=0.2)
    splits = load_data(config, data_dir=tmp_path / "data")
    assert splits.counts() == {"train": 28, "val": 6, "test": 6}
    assert "No test folder" in splits.notes[0]
    assert_disjoint(splits)
    assert list((tmp_path / "data" / "cache").glob("*.safetensors"))
    assert sorted(p.name for p in tree.iterdir()) == ["cat", "dog"]  # nothing is written among the user's images


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pets", 1)
    with pytest.raises(DataError, match="validation set holds no image"):
        load_data(make_config(data_source="folder", data_dir=tree), data_dir=tmp_path)


def test_looking_downloads_nothing_even_where_an_empty_folder_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    config = make_config(data_source="cifar10")
    with pytest.raises(DataMissingError):
        load_test_images(config, data_dir=tmp_path)
    with pytest.raises(DataMissingError):
        load_data(config, data_dir=tmp_path, download=False)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"]


@pytest.mark.skipif("CIFAR10_FOLDER" not in os.environ, reason="CIFAR10_FOLDER names no folder of CIFAR-10 images")
def test_real_images_load_fast_the_second_time(tmp_path: Path) -> None:
    folder = Path(os.environ["CIFAR10_FOLDER"]) / "test"  # a sixth of all
    config = make_config(data_source="folder", data_dir=folder, preset="laptop")
    splits = load_data(config, data_dir=tmp_path)
    assert splits.counts() == {"train": 8160, "val": 340, "test": 1500}
    assert [class_counts(part) for part in (splits.train, splits.val, splits.test)] == [
        [816] * 10, [34] * 10, [150] * 10
    ]  # fmt: skip
    assert splits.train.class_names[0] == "airplane"
    assert splits.notes == ("No test folder: 15% of every class was set aside as the test set.",)
    start = time.perf_counter()
    again = load_data(config, data_dir=tmp_path)
    assert time.perf_counter() - start < 1.5  # a tenth of that on an idle machine
    assert again.val.fingerprint() == splits.val.fingerprint()
