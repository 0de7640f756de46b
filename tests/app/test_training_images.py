"""The training images of the new-run form: what a step would be given, with the classes that it stands for."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from core.config import make_config
from core.data.batches import batch_at
from core.data.sources import load_data


@pytest.fixture
def opened(open_page, runs_dir, image_tree):
    """The form for the folder of drawn shapes, with its training images unfolded."""

    def open_(**settings):
        at = open_page(runs_dir)
        for key, value in {"new_run": True, "training_images": True, **settings}.items():
            at.session_state[key] = value
        at.session_state["source"] = "folder"
        at.session_state["folder"] = str(image_tree)
        return at.run()

    return open_


def pictures(at):
    urls = [element.proto.imgs[0].url for element in at.image]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))) for url in urls]


def captions(at):
    return [element.proto.imgs[0].caption for element in at.image]


def is_same(shown, pixels):
    """Whether the shown pictures, enlarged, are those of these pixels."""
    assert len(shown) == len(pixels)
    factor = len(shown[0]) // len(pixels[0])
    return all(np.array_equal(large[::factor, ::factor], right) for large, right in zip(shown, pixels, strict=True))


def test_they_are_what_the_training_would_get(opened, image_tree, data_dir):
    at = opened()
    assert not at.exception
    config = make_config(preset="smoke", data_source="folder", data_dir=image_tree)
    images = load_data(config, data_dir=data_dir).train
    batch = batch_at(config, images, 0, 18)
    assert captions(at) == list(batch.labels)
    assert is_same(pictures(at), batch.given)
    at.toggle(key="batch_given").set_value(False).run()
    assert is_same(pictures(at), batch.stored)
    assert not is_same(pictures(at), batch.given)
    at.number_input(key="batch_step").set_value(2).run()
    assert not at.exception
    assert is_same(pictures(at), batch_at(config, images, 1, 18).stored)


def test_another_step_or_another_change_of_the_images_loads_them_no_second_time(opened, monkeypatch):
    at = opened()
    monkeypatch.setattr("dashboard.image_sets.load_data", None)
    at.number_input(key="batch_step").set_value(2).run()
    at.toggle(key="new_flip_smoke").set_value(False).run()
    assert not at.exception
    assert pictures(at)
    monkeypatch.undo()
    at.number_input(key="new_train_limit_smoke").set_value(9).run()
    assert len(pictures(at)) == 9


def test_shares_of_a_mixture_are_named(opened):
    assert any("%, " in caption for caption in captions(opened(new_cutmix_smoke=1.0)))


def test_images_that_are_not_here_yet_are_not_fetched(open_page, runs_dir, said):
    at = open_page(runs_dir)
    at.session_state["new_run"] = at.session_state["training_images"] = True
    at.session_state["source"] = "cifar10"
    at.run()
    assert not at.exception
    assert "CIFAR-10 is not on this computer yet: the training downloads it first." in said(at)
