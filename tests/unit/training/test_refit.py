"""core.training.refit: factors that learn what was cut off, and nothing else that changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from core.config import TrainConfig, make_config
from core.data.images import ImageSet
from core.data.shapes import make_shapes
from core.errors import DataError
from core.model.alexnet import AlexNet, normalize
from core.runs.compact import compact, expand
from core.training import refit as module
from core.training.refit import refit


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return make_shapes(60, 10, seed=0)[0]


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return make_config(data_source="shapes", device="cpu", precision="float32", dropout=0.0, label_smoothing=0.0)


@pytest.fixture
def model(images: ImageSet) -> AlexNet:
    model = AlexNet(images.num_classes, class_names=images.class_names)
    model.initialize(torch.Generator().manual_seed(0))
    return model


def loss(model: AlexNet, weights: dict[str, torch.Tensor], images: ImageSet) -> float:
    model.cpu().load_state_dict(expand(weights))  # refit has it where it is fastest
    with torch.inference_mode():
        logits = model.eval()(normalize(images.images, model.input_spec))
    return float(functional.cross_entropy(logits, images.labels))


def test_only_the_factors_and_fc8_learn(
    model: AlexNet, images: ImageSet, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 25)
    monkeypatch.setattr(module, "_LEARNING_RATE", 3e-4)  # three steps are few
    small = compact(model.state_dict(), rank=32)
    heard: list[tuple[int, int]] = []
    found = refit(model, small, images, config, lambda done, total, _: heard.append((done, total)))
    assert heard == [(25, 60), (50, 60), (60, 60)]
    assert {name: (value.shape, value.dtype) for name, value in found.items()} == {
        name: (value.shape, value.dtype) for name, value in small.items()
    }
    assert {name for name, value in found.items() if not torch.equal(value, small[name])} == {
        name for name in small if name.startswith("fc")
    }
    assert loss(model, found, images) < loss(model, small, images) - 0.003  # falls by 0.005


def test_the_same_again_gives_the_same(model: AlexNet, images: ImageSet, config: TrainConfig) -> None:
    small = compact(model.state_dict(), rank=2)
    config = config.model_copy(update={"dropout": 0.5})
    one, other = (refit(model, small, images, config) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in small)


def test_images_of_other_classes_are_refused(model: AlexNet, images: ImageSet, config: TrainConfig) -> None:
    others = replace(images, class_names=tuple(reversed(images.class_names)))
    with pytest.raises(DataError, match="choose images of the data that it was trained on"):
        refit(model, {}, others, config)
