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
    """The pixels and captions of what is shown."""
    shown = [element.proto.imgs[0] for element in at.image]
    found = [Image.open(io.BytesIO(base64.b64decode(image.url.split(",")[1]))) for image in shown]
    return [np.asarray(picture) for picture in found], [image.caption for image in shown]


def test_they_are_what_the_training_would_get(opened, image_tree, data_dir):
    at = opened()
    assert not at.exception
    config = make_config(preset="smoke", data_source="folder", data_dir=image_tree)
    images = load_data(config, data_dir=data_dir).train
    batch = batch_at(config, images, 0)
    shown, captions = pictures(at)
    expected = batch.changed.permute(0, 2, 3, 1).numpy()
    side = len(shown[0]) // images.image_size
    assert [np.array_equal(picture[::side, ::side], right) for picture, right in zip(shown, expected, strict=True)] == [
        True
    ] * len(expected)
    assert captions == [batch.stored.label(i) for i in range(len(expected))]
    at.toggle(key="batch_changed").set_value(False).run()
    stored, _ = pictures(at)
    assert not all(np.array_equal(a, b) for a, b in zip(stored, shown, strict=True))


def test_shares_of_a_mixture_are_named(opened):
    _, captions = pictures(opened(new_cutmix_smoke=1.0))
    assert any("%, " in caption for caption in captions)


def test_images_that_are_not_here_yet_are_not_fetched(open_page, runs_dir, said):
    at = open_page(runs_dir)
    at.session_state["new_run"] = at.session_state["training_images"] = True
    at.session_state["source"] = "cifar10"
    at.run()
    assert not at.exception
    assert "CIFAR-10 is not on this computer yet: the training downloads it first." in said(at)
