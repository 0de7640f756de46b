"""The Feature maps page: every layer and stage, one channel enlarged, any picture."""

import base64
import json

import numpy as np
import pytest
import streamlit as st

from core.data.sources import load_test_images
from core.inspection.atlas import compute_atlas
from core.inspection.feature_maps import feature_maps
from core.inspection.receptive_field import receptive_field
from core.runs.checkpoints import find_checkpoint, load_model, open_model

CHANNELS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256}
STAGES = {
    "conv1": ("conv", "relu", "lrn", "pool"),
    "conv2": ("conv", "relu", "lrn", "pool"),
    "conv3": ("conv", "relu"),
    "conv4": ("conv", "relu"),
    "conv5": ("conv", "relu", "pool"),
}


@pytest.fixture
def maps(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "feature_maps", **address)


@pytest.fixture
def own_run(write_run, trained_run, image_tree):
    """A run over the checkpoints of `trained_run` and its six test images, with a folder for what is derived."""
    st.cache_resource.clear()  # the atlas that another test has left there for these weights
    return write_run("own", weights_of=trained_run, settings={"data_source": "folder", "data_dir": image_tree})


@pytest.fixture
def with_atlas(own_run, open_page, data_dir):
    """with_atlas(layer="conv3", ...): the page over a run whose channels are in an atlas, and the atlas.

    In it conv3's last channel counts as a near-duplicate of its first that isn't dead.
    """
    checkpoint = find_checkpoint(own_run, "best")
    atlas = compute_atlas(open_model(checkpoint), load_test_images(own_run.config, data_dir=data_dir))
    atlas.layers["conv3"].twin[383] = np.flatnonzero(~atlas.layers["conv3"].dead)[0]
    atlas.save(checkpoint.derived("atlas.npz"))
    return lambda **address: (open_page(own_run.path.parent, "feature_maps", **address), atlas)


def sent(at, name):
    """What a component in the browser gets."""
    (found,) = [e.proto for e in at.get("bidi_component") if e.proto.component_name == name]
    return json.loads(found.json)


def mosaic(at):
    return sent(at, "alexnet_mosaic")


def enlarged(at):
    return sent(at, "alexnet_unit_view")


def values(view):
    return np.frombuffer(base64.b64decode(view["values"]), "<f4").reshape(view["size"], view["size"])


@pytest.mark.parametrize("layer", CHANNELS)
def test_every_stage_of_a_layer_shows_all_its_channels(maps, said, layer):
    at = maps(layer=layer)
    for stage in STAGES[layer]:
        at.segmented_control(key="stage").set_value(stage).run()
        assert not at.exception, stage
        assert mosaic(at)["ids"] == list(range(CHANNELS[layer]))
        assert f"All {CHANNELS[layer]} channels of {layer}" in said(at)
    assert at.segmented_control(key="stage").options == list(STAGES[layer])


def test_another_layer_without_the_stage_falls_back_to_one_it_has(maps):
    at = maps(layer="conv1", stage="lrn", channel="95")
    assert at.segmented_control(key="stage").value == "lrn"
    at.segmented_control(key="layer").set_value("conv3").run()
    assert not at.exception
    assert at.segmented_control(key="stage").value == "relu"
    assert len(mosaic(at)["ids"]) == 384


def test_a_channel_beyond_the_next_layer_is_not_kept(maps):
    at = maps(layer="conv3", channel="383")
    assert at.number_input(key="channel").value == 383
    at.segmented_control(key="layer").set_value("conv1").run()
    assert not at.exception
    assert at.number_input(key="channel").value <= 95


def test_the_chosen_channel_is_enlarged_with_its_numbers_and_its_filter(maps, said):
    at = maps(layer="conv3", stage="conv", channel="17")
    assert not at.exception
    assert mosaic(at)["selected"] == 17
    view = enlarged(at)
    assert (view["name"], view["channel"], view["size"], view["signed"]) == ("conv3, channel 17", 17, 13, True)
    captions = [caption for image in at.image for caption in image.captions]
    assert any(caption.startswith("Its filter: a 3 × 3 kernel for each of 256 input channels") for caption in captions)
    shown = values(view)
    for name, value in (("Least", shown.min()), ("Mean", shown.mean()), ("Greatest", shown.max())):
        assert f"| {name} | {value:.3g} |" in said(at)
    assert view["low"] == -view["high"] == pytest.approx(-np.abs(shown).max())
    at.number_input(key="channel").set_value(18).run()
    assert not at.exception
    assert (mosaic(at)["selected"], enlarged(at)["channel"]) == (18, 18)


@pytest.mark.parametrize(("layer", "stage", "name"), [("conv3", "relu", "relu3"), ("conv5", "pool", "pool5")])
def test_the_receptive_fields_travel_as_numbers(maps, layer, stage, name):
    view = enlarged(maps(layer=layer, stage=stage))
    boxes = [receptive_field(name, unit, unit) for unit in range(view["size"])]
    assert view["fields"] == [[box.top, box.bottom] for box in boxes]
    assert view["strongest"] == values(view).argmax()


def test_a_link_names_the_pinned_pixel_and_another_layer_lets_it_go(maps):
    at = maps(layer="conv3", row="5", column="12")
    assert enlarged(at)["unit"] == 5 * 13 + 12
    at.number_input(key="row").set_value(6).run()
    assert enlarged(at)["unit"] == 6 * 13 + 12
    at.segmented_control(key="layer").set_value("conv1").run()
    assert not at.exception
    assert enlarged(at)["unit"] == -1
    assert at.number_input(key="row").value is at.number_input(key="column").value is None


def test_a_link_to_a_pixel_that_is_not_there_is_said(maps):
    at = maps(layer="conv5", stage="pool", row="12", column="0")
    assert not at.exception
    assert "The link asks for row '12', which isn't here" in at.warning[0].value
    assert enlarged(at)["unit"] == -1


def test_the_strongest_channels_of_this_image_come_first(maps):
    at = maps(layer="conv4")
    at.segmented_control(key="sort").set_value("strongest").run()
    assert not at.exception
    peaks = []
    for channel in [*mosaic(at)["ids"][:4], mosaic(at)["ids"][-1]]:
        at.number_input(key="channel").set_value(channel).run()
        peaks.append(values(enlarged(at)).max())
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] > peaks[-1]
    assert sorted(mosaic(at)["ids"]) == list(range(384))


def test_what_needs_the_atlas_says_so_and_shows_all_channels(maps, said):
    at = maps(layer="conv3", sort="selective")
    assert not at.exception
    assert "This needs the channel atlas" in said(at)
    assert mosaic(at)["ids"] == list(range(384))
    assert at.button(key="compute_atlas")


def test_the_atlas_is_computed_on_demand(open_page, own_run, said):
    at = open_page(own_run.path.parent, "feature_maps", layer="conv3", channel="17")
    assert "over all 6 test images" in said(at)
    at.button(key="compute_atlas").click().run()
    assert not at.exception
    at.run()
    assert "On all 6 test images" in said(at)
    assert find_checkpoint(own_run, "best").derived("atlas.npz").exists()
    assert not [button for button in at.button if button.key == "compute_atlas"]


def test_the_atlas_entry_tells_what_a_channel_does(with_atlas, said):
    at, atlas = with_atlas(layer="conv3")
    entry = atlas.layers["conv3"]
    alive = int(np.flatnonzero(~entry.dead)[0])
    at.number_input(key="channel").set_value(alive).run()
    assert not at.exception
    for name, number in (("Mean", f"{entry.mean[alive]:.3g}"), ("Images above 0", f"{entry.active[alive]:.1%}")):
        assert f"| {name} | {number} |" in said(at).split("On all 6 test images")[1]
    best = atlas.class_names[entry.best_class[alive]]
    assert f"Class selectivity {entry.selectivity[alive]:.2f}, highest for **{best}**" in said(at)
    top = [str(image) for image in entry.top_images[alive] if image >= 0]
    captions = [caption for image in at.image for caption in image.captions]
    assert any(caption.endswith(f"Test images {', '.join(top)}") for caption in captions)


def test_dead_channels_and_duplicates_are_flagged_and_filtered(with_atlas, said):
    at, atlas = with_atlas(layer="conv3", show="dead")
    entry = atlas.layers["conv3"]
    dead = np.flatnonzero(entry.dead).tolist()
    assert dead, "a network after six steps has some"
    assert mosaic(at)["ids"] == dead
    at.number_input(key="channel").set_value(dead[0]).run()
    assert "This channel is dead" in said(at)
    at.segmented_control(key="show").set_value("near-duplicates").run()
    assert not at.exception
    copies = np.flatnonzero(entry.twin >= 0)
    assert mosaic(at)["ids"] == sorted({*copies.tolist(), *entry.twin[copies].tolist()})
    original = int(entry.twin[383])
    at.number_input(key="channel").set_value(383).run()
    at.button(key=f"twin_{original}").click().run()
    assert enlarged(at)["channel"] == original
    assert at.button(key="twin_383")
    at.segmented_control(key="sort").set_value("selective").run()
    chosen = entry.selectivity[mosaic(at)["ids"]]
    assert (np.diff(chosen) <= 0).all()


def test_a_filter_of_the_first_layer_is_shown_in_colour(maps):
    captions = [caption for image in maps(layer="conv1").image for caption in image.captions]
    assert any(caption.startswith("Its filter, 11 × 11, as far as it acts on images ") for caption in captions)


def test_the_colour_scale_can_be_shared(maps, said):
    at = maps(layer="conv2")
    alone = mosaic(at)["png"]
    assert "greatest of each channel" in said(at)
    at.segmented_control(key="scale").set_value("layer").run()
    assert not at.exception
    assert "and above" in said(at)
    assert mosaic(at)["png"] != alone


def test_the_greatest_value_of_a_fixed_scale_is_the_users(maps, said):
    at = maps(layer="conv2", scale="fixed", greatest="2.5")
    assert not at.exception
    assert "2.5 and above" in said(at)
    assert (enlarged(at)["high"], enlarged(at)["above"]) == (2.5, True)
    first = mosaic(at)["png"]
    at.number_input(key="greatest").set_value(0.5).run()
    assert "0.5 and above" in said(at)
    assert mosaic(at)["png"] != first
    at.segmented_control(key="scale").set_value("channel").run()
    assert at.number_input(key="greatest").disabled


def pictures(at):
    """The pictures of the page by what they show."""
    found = [image.proto.imgs[0] for image in at.image]
    return {picture.alt: picture.url for picture in found}


def test_what_raises_a_unit_is_shown_when_asked_for(maps, trained_run, data_dir, said):
    at = maps(layer="conv4", channel="9", row="3", column="8")
    assert not any("raises" in alt for alt in pictures(at))
    shown = {}
    for way in ("gradient", "deconvolution", "guided"):
        at.segmented_control(key="raises").set_value(way).run()
        assert not at.exception
        assert "The unit at row 3, column 8 of conv4, channel 9, before its ReLU." in said(at)
        shown[way] = pictures(at)[f"What raises it: grey does nothing, unit 3, 8 ({way})"]
        assert f"What it sees, unit 3, 8 ({way})" in pictures(at)
    assert len(set(shown.values())) == 3
    at.number_input(key="row").set_value(4).run()
    assert "The unit at row 4, column 8" in said(at)
    at.number_input(key="row").set_value(None).run()
    values = feature_maps(
        load_model(trained_run), load_test_images(trained_run.config, data_dir=data_dir).image(0), "conv4", "relu"
    ).values[9]
    row, column = divmod(int(values.argmax()), 13)
    assert f"The unit at row {row}, column {column} of conv4" in said(at), "the strongest"


def test_of_a_pooled_number_another_stage_tells_what_raises_it(maps, said):
    at = maps(layer="conv2", stage="pool", raises="guided")
    assert not at.exception
    assert "choose the stage conv, relu or lrn" in said(at)
    at.segmented_control(key="stage").set_value("lrn").run()
    assert "of conv2, channel 0, before its ReLU." in said(at)
    assert "The link asks for way back to the pixels 'x'" in said(maps(raises="x"))


def test_another_picture_gives_other_maps(maps):
    at = maps()
    first = mosaic(at)["png"]
    at.number_input(key="image").set_value(3).run()
    assert not at.exception
    assert mosaic(at)["png"] != first


def test_without_a_picture_the_next_step_is_said(maps):
    at = maps()
    at.segmented_control(key="from").set_value("Upload").run()
    assert not at.exception
    assert "Choose a picture of your own" in at.info[0].value
    assert not at.get("bidi_component")


def test_a_picture_that_is_none_is_said_in_a_sentence(maps):
    at = maps()
    at.segmented_control(key="from").set_value("Upload").run()
    at.file_uploader(key="upload").upload("notes.png", b"text", "image/png").run()
    assert not at.exception
    assert "is not a PNG" in at.error[0].value
    assert not at.get("bidi_component")


def test_a_run_that_trains_can_be_looked_into(open_page, write_run, runs_dir, trained_run, said):
    run = write_run("a", weights_of=trained_run)
    with run.lock():
        at = open_page(runs_dir, "feature_maps", layer="conv5", checkpoint="last")
    assert not at.exception
    assert "Run running" in said(at)
    assert "synthetic shapes" in said(at)
    assert len(mosaic(at)["ids"]) == 256
