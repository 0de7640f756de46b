"""The channel atlas as viewers share it: computed once, kept beside the weights, and ignored where it doesn't fit."""

import dataclasses
import shutil
import threading
import time

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import StopException

from core.inspection.atlas import Atlas
from core.inspection.maximization import Channel
from core.runs.checkpoints import find_checkpoint
from dashboard import cache, experiments, surveys
from dashboard.slots import slot


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    slot.clear()
    yield
    slot.clear()
    cache._model.clear()


@pytest.fixture
def checkpoint(write_run, trained_run, tiny_config, data_dir, monkeypatch):
    """Of a run of its own, whose weights are `trained_run`'s."""
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
    return find_checkpoint(write_run("own", weights_of=trained_run, settings=tiny_config().model_dump()))


def test_it_is_computed_once_for_all_and_kept_beside_the_weights(checkpoint):
    assert surveys.atlas(checkpoint) is None
    heard = []
    surveys.compute_atlas(checkpoint, heard.append)
    found = surveys.atlas(checkpoint)
    assert heard == [6]
    assert found.num_images == 6
    assert sum(len(layer.active) for layer in found.layers.values()) == 1376
    assert surveys.atlas(checkpoint) is found
    slot.clear()
    again = surveys.atlas(checkpoint)
    assert again is not found
    assert again.images == found.images
    assert (checkpoint.run.path / "derived" / f"{checkpoint.name}-{checkpoint.fingerprint[:8]}" / "atlas.npz").is_file()


def test_who_asks_while_it_is_computed_watches_that_pass(checkpoint, monkeypatch):
    passes, watched, go_on = [], [], threading.Event()
    inspect_channels = surveys.inspect_channels

    def slow(model, images, on_batch):
        passes.append(images)
        on_batch(3)
        assert go_on.wait(60)
        return inspect_channels(model, images, on_batch)

    def watch(done):
        watched.append(done)
        go_on.set()

    monkeypatch.setattr(surveys, "inspect_channels", slow)
    first = threading.Thread(target=surveys.compute_atlas, args=(checkpoint, lambda _done: None))
    first.start()
    while not passes:
        time.sleep(0.01)
    surveys.compute_atlas(checkpoint, watch)
    first.join()
    assert len(passes) == 1
    assert watched[0] == 3
    assert surveys.atlas(checkpoint) is not None


def test_who_watches_takes_over_where_the_first_gives_up(checkpoint, monkeypatch):
    asked, go_on = [], threading.Event()
    inspect_channels = surveys.inspect_channels

    def given_up_once(model, images, on_batch):
        asked.append(images)
        if len(asked) == 1:
            assert go_on.wait(60)
            raise StopException
        return inspect_channels(model, images, on_batch)

    def first_viewer():
        with pytest.raises(StopException):
            surveys.compute_atlas(checkpoint, lambda _done: None)

    monkeypatch.setattr(surveys, "inspect_channels", given_up_once)
    first = threading.Thread(target=first_viewer)
    first.start()
    while not asked:
        time.sleep(0.01)
    surveys.compute_atlas(checkpoint, lambda _done: go_on.set())
    first.join()
    assert len(asked) == 2
    assert surveys.atlas(checkpoint) is not None


@pytest.mark.parametrize("change", [{"images": "0" * 16}, {"class_names": ("a", "b")}])
def test_one_of_other_images_or_classes_is_ignored(checkpoint, change):
    surveys.compute_atlas(checkpoint, lambda _done: None)
    path = checkpoint.derived("atlas.npz")
    dataclasses.replace(Atlas.load(path), **change).save(path)
    slot.clear()
    assert surveys.atlas(checkpoint) is None


def test_it_is_shown_where_the_images_are_gone(checkpoint, write_run, trained_run, tiny_config, tmp_path):
    surveys.compute_atlas(checkpoint, lambda _done: None)
    slot.clear()
    settings = tiny_config(data_dir=tmp_path / "gone").model_dump()
    gone = find_checkpoint(write_run("gone", weights_of=trained_run, settings=settings))
    Atlas.load(checkpoint.derived("atlas.npz")).save(gone.derived("atlas.npz"))
    assert surveys.atlas(gone) is not None


def test_where_it_cannot_be_written_it_is_shown_all_the_same(checkpoint):
    (checkpoint.run.path / "derived").touch()  # a file where the folder would be
    surveys.compute_atlas(checkpoint, lambda _done: None)
    assert surveys.atlas(checkpoint) is not None


def test_a_copied_run_on_other_images_gets_nothing_of_the_first(
    checkpoint, write_run, trained_run, image_tree, tmp_path
):
    shutil.copytree(image_tree, tmp_path / "fewer")
    for name in ("circle", "cross", "star"):
        sorted((tmp_path / "fewer" / "test" / name).iterdir())[0].unlink()
    settings = checkpoint.run.config.model_dump() | {"data_dir": tmp_path / "fewer"}
    copy = find_checkpoint(write_run("copy", weights_of=trained_run, settings=settings))
    assert copy.fingerprint == checkpoint.fingerprint
    surveys.compute_atlas(checkpoint, lambda _done: None)
    assert surveys.atlas(copy) is None
    experiments.measure_accuracy(checkpoint, "conv5", (), lambda _done, _total: None)
    assert experiments.sample_accuracy(copy, "conv5", ()) is None
    goal = Channel("conv1", 0)
    assert [len(experiments.usual_strength(one, goal)) for one in (checkpoint, copy)] == [6, 3]


def test_computing_it_can_be_cancelled_by_a_link_to_what_is_seen(open_page, checkpoint, said, monkeypatch):
    at = open_page(checkpoint.run.path.parent, "feature_maps", layer="conv3", channel="17")

    def click(checkpoint, on_batch):
        on_batch(3)
        raise StopException  # what Streamlit raises out of drawing the bar when somebody clicks

    monkeypatch.setattr(surveys, "compute_atlas", click)
    at.button(key="compute_atlas").click().run()
    assert not at.exception
    assert "Stay on this page: a choice at its top stops it, one further down waits for it." in said(at)
    (link,) = [link.proto for link in at.get("page_link") if link.proto.label == "Cancel"]
    assert {"layer=conv3", "channel=17", "run=own"} <= set(link.query_string.split("&"))
