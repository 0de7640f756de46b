"""Where a network places images is what plain arithmetic over fc7 says."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.images import ImageSet
from core.data.shapes import make_shapes
from core.errors import DataError, InspectionError
from core.files import save_arrays
from core.inspection import embedding as module
from core.inspection.embedding import Embedding, embed, nearest_in_pixels, vector_of
from core.model import AlexNet
from core.model.alexnet import normalize


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return make_shapes(20, 30, seed=5)[1]


@pytest.fixture(scope="module")
def model(images: ImageSet) -> AlexNet:
    network = AlexNet(class_names=images.class_names)
    network.initialize(torch.Generator().manual_seed(1))
    return network.eval()


@pytest.fixture(scope="module")
def said(model: AlexNet, images: ImageSet) -> np.ndarray:
    """What fc7 says of each image, exactly."""
    with torch.inference_mode():
        return dict(model.activations(normalize(images.images, model.input_spec)))["relu7"].numpy().astype(np.float64)


@pytest.fixture(scope="module")
def found(model: AlexNet, images: ImageSet) -> Embedding:
    return embed(model, images)


def test_distances_are_those_of_fc7(found: Embedding, said: np.ndarray) -> None:
    assert found.vectors.shape == (30, 29), "as many axes as the images span: nothing is lost"
    assert found.scale == pytest.approx(said.max(), rel=1e-4)
    exact = np.linalg.norm(said[:, None] - said, axis=2) / said.max()
    kept = np.linalg.norm(found.vectors[:, None] - found.vectors, axis=2)
    np.testing.assert_allclose(kept, exact, atol=2e-3 * exact.max())
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(29), atol=1e-4)
    for number in range(30):
        nearest = found.nearest(found.vectors[number], 5, but=number)
        expected = np.delete(np.argsort(exact[number], kind="stable"), 0)[:5]
        np.testing.assert_array_equal(nearest, expected)


def test_few_axes_are_those_along_which_most_varies(
    model: AlexNet, images: ImageSet, said: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DIMENSIONS", 4)
    small = embed(model, images)
    _, strengths, axes = np.linalg.svd(said - said.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.linalg.norm(small.vectors, axis=0), strengths[:4] / said.max(), rtol=1e-2)
    np.testing.assert_allclose(np.abs((small.axes * axes[:4]).sum(1)), 1, atol=1e-2)


def test_a_picture_is_placed_like_an_image_of_the_set(model: AlexNet, images: ImageSet, found: Embedding) -> None:
    for number in (0, 17):
        vector = vector_of(model, found, images.image(number))
        np.testing.assert_allclose(vector, found.vectors[number], atol=1e-2 * np.abs(found.vectors).max())
        np.testing.assert_array_equal(found.place(vector, number), found.plane[number])
        order = np.argsort(np.linalg.norm(found.vectors - vector, axis=1))
        np.testing.assert_allclose(found.place(vector, None), found.plane[order[:5]].mean(0), rtol=1e-5)


def test_the_plane_keeps_neighbours_together(found: Embedding) -> None:
    clusters = replace(found, vectors=np.repeat(np.eye(3, 8, dtype=np.float32) * 50, 20, axis=0))
    noise = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    places = module._plane(clusters.vectors + noise)
    own = np.repeat(np.arange(3), 20)
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(60, np.inf))
    assert (own[distances.argmin(1)] == own).all()
    np.testing.assert_array_equal(places, module._plane(clusters.vectors + noise), "the same each time")


def test_of_a_large_set_some_evenly_spread_count(
    model: AlexNet, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IMAGES", 11)
    monkeypatch.setattr(module, "_MOST_ON_PLANE", 6)
    heard: list[int] = []
    some = embed(model, images, heard.append)
    assert some.numbers.tolist() == [0, 3, 6, 9, 12, 14, 17, 20, 23, 26, 29]
    np.testing.assert_array_equal(some.labels, images.labels.numpy()[some.numbers])
    assert some.numbers[some.on_plane].tolist() == [0, 6, 12, 17, 23, 29]
    assert len(some.plane) == 6
    assert heard[-1] == len(images)
    nearest = some.nearest(some.vectors[2], 99, but=6)
    assert len(nearest) == 10
    assert 2 not in nearest
    nearest = some.nearest(some.vectors[2], 1, but=7)
    assert nearest.tolist() == [2], "an image that is none of them hides none of them"


def test_pixels_are_compared_as_they_are(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 7 * 32**2)
    numbers = np.arange(1, 30, 2, dtype=np.int32)
    pixels = images.images.numpy().astype(np.float64)
    for number in (3, 4):
        order = np.argsort(np.square(pixels[numbers] - pixels[number]).sum((1, 2, 3)), kind="stable")
        expected = [position for position in order if numbers[position] != number][:5]
        assert nearest_in_pixels(images, numbers, images.image(number), 5, number).tolist() == expected
    assert len(nearest_in_pixels(images, numbers, images.image(3), 99, 3)) == len(numbers) - 1
    assert len(nearest_in_pixels(images, numbers, images.image(3), 99, None)) == len(numbers)


def test_what_is_saved_is_loaded(found: Embedding, tmp_path: Path) -> None:
    path = tmp_path / "a" / "embedding.npz"
    found.save(path)
    loaded = Embedding.load(path)
    assert loaded is not None
    for name, value in vars(found).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(loaded, name), value, rtol=2e-3, atol=2e-3 * np.abs(value).max())
            assert getattr(loaded, name).dtype == value.dtype, name
        else:
            assert getattr(loaded, name) == value, name
    path.write_bytes(path.read_bytes()[:-400])
    assert Embedding.load(path) is None
    assert Embedding.load(tmp_path / "none.npz") is None


def test_what_cannot_be_placed_is_said(model: AlexNet, images: ImageSet) -> None:
    with pytest.raises(InspectionError, match="three images at least, and this set has 2"):
        embed(model, images.select(torch.arange(2)))
    broken = copy.deepcopy(model)
    torch.nn.init.constant_(broken.fc7.bias, torch.nan)
    with pytest.raises(InspectionError, match="not finite"):
        embed(broken.eval(), images)


@pytest.mark.parametrize("layer", ["conv5", "fc6", "fc7"])
def test_a_dead_network_gets_no_map_of_rounding_errors(model: AlexNet, images: ImageSet, layer: str) -> None:
    dead = copy.deepcopy(model)
    torch.nn.init.constant_(dead.get_parameter(f"{layer}.bias"), -1e4)
    for later in {"conv5": ("fc6", "fc7"), "fc6": ("fc7",), "fc7": ()}[layer]:
        torch.nn.init.normal_(dead.get_parameter(f"{later}.bias"), generator=torch.Generator().manual_seed(0))
    with pytest.raises(InspectionError, match="the same of all images"):
        embed(dead.eval(), images)


def test_images_of_other_classes_are_refused_before_the_pass(model: AlexNet, images: ImageSet) -> None:
    with pytest.raises(DataError):
        embed(model, replace(images, class_names=images.class_names[::-1]))


def test_points_that_fall_together_are_left_where_they_are() -> None:
    vectors = np.full((40, 5), 0.3, np.float32)  # t-SNE would divide by their spread, and end the process
    np.testing.assert_array_equal(module._plane(vectors), vectors[:, :2])


@pytest.mark.parametrize("strength", [1e-4, 1e6])
def test_a_network_of_any_strength_survives_half_precision(
    model: AlexNet, images: ImageSet, found: Embedding, tmp_path: Path, strength: float
) -> None:
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.fc7.weight.mul_(strength)
        scaled.fc7.bias.mul_(strength)
    path = tmp_path / "embedding.npz"
    embed(scaled.eval(), images).save(path)
    loaded = Embedding.load(path)
    assert loaded is not None
    assert loaded.scale == pytest.approx(found.scale * strength, rel=1e-3)
    np.testing.assert_allclose(loaded.vectors, found.vectors, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", np.ones(2)), ("vectors", np.array(["a"] * 30)), ("class_names", np.array("ab")),
        ("plane", np.zeros(3)), ("labels", np.full(30, 99)), ("on_plane", np.arange(30) + 1), ("mean", np.zeros(7)),
        ("vectors", np.full((30, 29), np.inf, np.float16)), ("numbers", np.zeros((30, 1), np.int32)),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_none(found: Embedding, tmp_path: Path, name: str, value: np.ndarray) -> None:
    path = tmp_path / "embedding.npz"
    found.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    save_arrays(path, arrays | {name: value})
    assert Embedding.load(path) is None
