"""The Feature maps page: every layer and stage, one channel enlarged, any picture."""

import json

import pytest

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


def mosaic(at):
    """What the mosaic in the browser gets."""
    (component,) = at.get("bidi_component")
    assert component.proto.component_name == "alexnet_mosaic"
    return json.loads(component.proto.json)


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


def test_the_chosen_channel_is_enlarged_with_its_numbers_and_its_filter(maps):
    at = maps(layer="conv3", stage="conv", channel="17")
    assert not at.exception
    assert mosaic(at)["selected"] == 17
    captions = [caption for image in at.image for caption in image.captions]
    assert "conv3, channel 17" in captions
    assert "What the network sees" in captions
    assert any(caption.startswith("Its filter: a 3 × 3 kernel for each of 256 input channels") for caption in captions)
    values = {metric.label: metric.value for metric in at.metric}
    assert set(values) == {"Min", "Mean", "Max", "Zeros"}
    assert float(values["Min"]) <= float(values["Mean"]) <= float(values["Max"])
    at.number_input(key="channel").set_value(18).run()
    assert not at.exception
    assert mosaic(at)["selected"] == 18


def test_a_filter_of_the_first_layer_is_shown_in_colour(maps):
    captions = [caption for image in maps(layer="conv1").image for caption in image.captions]
    assert "Its filter, 11 × 11, in colour" in captions


def test_the_colour_scale_can_be_shared(maps, said):
    at = maps(layer="conv2")
    alone = mosaic(at)["png"]
    assert "greatest of each channel" in said(at)
    at.segmented_control(key="scale").set_value("layer").run()
    assert not at.exception
    assert "and above" in said(at)
    assert mosaic(at)["png"] != alone


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
