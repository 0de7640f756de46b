"""The Poke it page: channels off and a changed picture move the probabilities; accuracy and ranking on a button."""

import base64
import json

import numpy as np
import pytest

from core.data.sources import load_test_images
from core.inspection.ablation import parse_channels
from core.inspection.feature_maps import feature_maps
from core.inspection.mosaic import silent_channels
from core.runs.checkpoints import load_model
from dashboard import experiments
from dashboard.markdown import plain

CLASSES = {"circle", "cross", "star"}


@pytest.fixture
def poke(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "poke", **address)


def bars(at):
    """Probabilities by class, before and now."""
    traces = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    return {trace["name"]: dict(zip(map(unmarked, trace["y"]), numbers(trace["x"]), strict=True)) for trace in traces}


def unmarked(name):
    return name.removeprefix("<b>").removesuffix("</b> (true)")


def numbers(x):
    """Plotly sends arrays as base64."""
    return x if isinstance(x, list) else np.frombuffer(base64.b64decode(x["bdata"]), x["dtype"]).tolist()


def captions(at):
    return [caption for image in at.image for caption in image.captions]


def test_at_first_nothing_is_changed(poke):
    at = poke()
    assert not at.exception
    shown = bars(at)
    assert set(shown["now"]) == CLASSES
    assert shown["now"] == shown["before"]
    assert captions(at) == ["test image 0", "What the network sees"]
    assert "→" not in at.get("plotly_chart")[0].proto.alt


def test_what_is_unchanged_is_not_computed_again(poke, monkeypatch):
    asked = []
    ask = experiments.without
    monkeypatch.setattr(experiments, "without", lambda *args: asked.append(args) or ask(*args))
    at = poke()
    assert not asked
    at.text_input(key="off").set_value("3").run()
    assert not at.exception
    assert len(asked) == 1


def test_channels_of_the_address_are_off_and_move_the_probabilities(poke):
    at = poke(layer="conv5", off="0-200, 255")
    assert not at.exception
    assert at.text_input(key="off").value == "0-200, 255"
    shown = bars(at)
    assert shown["now"] != shown["before"]
    at.button(key="off_None").click().run()
    assert at.text_input(key="off").value == ""
    assert bars(at)["now"] == bars(at)["before"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("3, x", "'x' is no channel: write numbers and ranges, such as 3, 17, 40-47."),
        ("96", "conv1 has no channel 96: its channels are 0 to 95."),
        ("9-3", "The range 9-3 runs backwards: write 3-9."),
    ],
)
def test_what_is_no_list_of_channels_is_said_and_nothing_is_off(poke, text, sentence):
    at = poke(layer="conv1", off=text)
    assert not at.exception
    assert [error.value for error in at.error] == [plain(sentence)]
    assert bars(at)["now"] == bars(at)["before"]


@pytest.mark.parametrize(("group", "count"), [("One at random", 1), ("Half at random", 192), ("Strongest", 10)])
def test_groups_are_written_into_the_list(poke, group, count):
    at = poke(layer="conv3")
    at.button(key=f"off_{group}").click().run()
    assert not at.exception
    chosen = parse_channels(at.text_input(key="off").value, "conv3")
    assert len(chosen) == count


def test_the_silent_ones_are_those_of_this_picture(poke, trained_run, data_dir):
    picture = load_test_images(trained_run.config, data_dir=data_dir).image(0)
    silent = silent_channels(feature_maps(load_model(trained_run), picture, "conv3", "relu"))
    at = poke(layer="conv3", image="0")
    at.button(key="off_Silent").click().run()
    assert not at.exception
    assert parse_channels(at.text_input(key="off").value, "conv3") == silent


def test_dead_channels_need_the_atlas(poke):
    at = poke(layer="conv3", off="7")
    at.button(key="off_Dead").click().run()
    assert not at.exception
    assert "once the channel atlas was computed" in at.warning[0].value
    assert at.text_input(key="off").value == "7"


def test_edits_change_picture_and_probabilities_until_reset(poke):
    at = poke(edit_shift_x="25", edit_mirror="true")
    assert not at.exception
    assert at.slider(key="edit_shift_x").value == 25
    assert captions(at) == ["test image 0, changed", "What the network sees"]
    assert bars(at)["now"] != bars(at)["before"]
    at.slider(key="edit_hue").set_value(90).run()
    assert not at.exception
    at.button(key="reset_picture").click().run()
    assert at.slider(key="edit_shift_x").value == at.slider(key="edit_hue").value == 0
    assert not at.toggle(key="edit_mirror").value
    assert captions(at)[0] == "test image 0"
    assert bars(at)["now"] == bars(at)["before"]


def test_the_accuracy_is_measured_on_a_button_and_then_known(poke, said):
    at = poke(layer="conv4", off="0-383")
    assert "Accuracy on them" not in said(at)
    assert at.button(key="measure").label == "Measure the accuracy on 6 test images"
    assert "by up to about 40 points" in at.button(key="measure").help
    at.button(key="measure").click().run()
    assert not at.exception
    (line,) = [caption.value for caption in at.caption if caption.value.startswith("Accuracy on them")]
    assert "% → " in line
    at.run()
    assert line in said(at)


def test_the_ranking_lists_ten_channels_and_a_click_switches_one_off_and_on(poke, said):
    at = poke(layer="conv5", off="300")  # what can't be read is replaced
    at.button(key="rank").click().run()
    assert not at.exception
    assert "Of conv5, each alone" in said(at)
    ranked = [button for button in at.button if (button.key or "").startswith("ranked_")]
    assert len(ranked) == 10
    changes = [abs(float(button.label.split(": ")[1])) for button in ranked]
    assert changes == sorted(changes, reverse=True)
    channel = ranked[0].key.removeprefix("ranked_")
    at.button(key=ranked[0].key).click().run()
    assert at.text_input(key="off").value == channel
    at.button(key=ranked[0].key).click().run()
    assert at.text_input(key="off").value == ""


def test_a_link_to_an_edit_that_is_not_possible_is_said(poke):
    at = poke(edit_hue="999")
    assert not at.exception
    assert "The link asks for Turn hue, degrees '999', which isn't here" in at.warning[0].value


def test_without_a_picture_nothing_is_poked(poke):
    at = poke()
    at.segmented_control(key="from").set_value("Upload").run()
    assert not at.exception
    assert not at.get("plotly_chart")
