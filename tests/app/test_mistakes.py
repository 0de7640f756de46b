"""The Mistakes page over outcomes written by hand: a cell, its images, one of them, confidence, the epochs."""

from __future__ import annotations

import dataclasses
import io
import json
from urllib.parse import parse_qsl

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.runtime.scriptrunner_utils.exceptions import StopException

from core.data.images import ImageSet
from core.data.sources import load_data
from core.errors import DataError, DataMissingError
from core.outcomes import Outcomes
from core.runs.checkpoints import find_checkpoint
from core.runs.snapshots import Pinned, Snapshot, forget_snapshots_after, read_pinned, write_pinned, write_snapshot
from dashboard import surveys
from dashboard.components import thumbnails
from dashboard.markdown import plain

NAMES = ("circle", "cross", "star")
#  said of circle, cross, star; the six test images are two of each class
SAID = [(0.9, 0.1, 0), (0.2, 0.7, 0.1), (0.15, 0.8, 0.05), (0.5, 0.3, 0.2), (0.01, 0.97, 0.02), (0.1, 0.1, 0.8)]
CORRECT = ["+++", "+.+", "++.", "...", "..+", ".++"]  # the six validation images over three epochs


@pytest.fixture
def run(write_run, trained_run, image_tree, data_dir):
    """A run that has judged its test images, with a snapshot after each of three epochs."""
    settings = {"data_source": "folder", "data_dir": image_tree, "val_fraction": 0.34}
    run = write_run("judged", weights_of=trained_run, settings=settings)
    data = load_data(run.config, data_dir=data_dir)
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    found = Outcomes(data.test.labels.numpy(), np.float32(SAID), NAMES, data.test.fingerprint())
    found.save(find_checkpoint(run).derived("outcomes-test.npz"))
    labels = data.val.labels.numpy()
    write_pinned(run, Pinned(np.zeros((1, 8, 8, 3), np.uint8), np.array([0]), np.array([0]), labels))
    for epoch in range(1, 4):
        wrong = np.array([signs[epoch - 1] == "." for signs in CORRECT])
        said = np.float32([0.7, 0.2, 0.1])[(np.arange(3) - (labels + wrong)[:, None]) % 3]
        write_snapshot(run, Snapshot(epoch, 3 * epoch, np.zeros((96, 3, 11, 11)), np.zeros((1, 3)), said), {})
    return run


@pytest.fixture
def mistakes(open_page, run):
    return lambda **address: open_page(run.path.parent, "mistakes", **address)


def component(at, name):
    """What a component in the browser gets; None where it isn't drawn."""
    found = [c for c in at.get("bidi_component") if c.proto.component_name == f"alexnet_{name}"]
    return json.loads(found[0].proto.json) if found else None


def test_all_mistakes_come_first_the_worst_at_the_top(mistakes, said):
    at = mistakes()
    assert not at.exception
    assert component(at, "confusion")["counts"] == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]
    assert component(at, "mosaic")["ids"] == [4, 1, 3]
    assert component(at, "mosaic")["captions"] == [
        "star\n→ cross\n3.91",
        "circle\n→ cross\n1.61",
        "cross\n→ circle\n1.20",
    ]
    assert "**50.0% correct**, 3 mistakes, 1 of them with over 90% confidence" in said(at)
    assert "image 0 (circle, predicted circle) isn't among them" in said(at)


def test_test_images_that_changed_since_the_training_are_not_called_new(mistakes, run, said):
    assert "judged 6 test images, which training never saw: **50.0% correct**" in said(mistakes())
    (run.path / "data.json").write_text(json.dumps({"test_fingerprint": "0" * 16}))
    at = mistakes()
    assert "The test images have changed since the run began" in said(at)
    assert "judged 6 test images: **50.0% correct**" in said(at)


def test_a_cell_has_its_images_in_either_order(mistakes):
    at = mistakes()
    at.selectbox(key="true").set_value("any class").run()
    at.selectbox(key="predicted").set_value("cross").run()
    assert component(at, "mosaic")["ids"] == [4, 1, 2]
    assert component(at, "confusion")["selected"] == [-1, 1]
    at.segmented_control(key="order").set_value("confidence").run()
    assert component(at, "mosaic")["captions"] == ["star\n97.0%", "cross\n80.0%", "circle\n70.0%"]
    at.selectbox(key="true").set_value("circle").run()
    assert component(at, "mosaic")["ids"] == [1]
    at.selectbox(key="predicted").set_value("star").run()
    assert not at.exception
    assert component(at, "mosaic") is None
    assert "No image is among them." in [caption.value for caption in at.caption]


def test_a_link_opens_a_cell_and_one_of_its_images(mistakes, said):
    at = mistakes(true="star", predicted="cross", image="4")
    assert not at.exception
    assert component(at, "confusion")["selected"] == [2, 1]
    assert component(at, "mosaic")["selected"] == 4
    assert "#### Test image 4: star :red[:material/close: taken for cross]" in said(at)
    assert "Loss 3.91: it gave star a probability of 2.0%." in said(at)
    bars = json.loads(next(c for c in at.get("plotly_chart") if "judged" in c.proto.id).proto.spec)["data"][0]
    assert bars["y"][-1] == "cross"
    captions = [caption for image in at.image for caption in image.captions]
    assert captions == [
        "The picture, pixel by pixel",
        "Grad-CAM: what speaks for cross",
        "Grad-CAM: what speaks for star",
    ]


def test_an_image_of_another_cell_leads_to_its_own(mistakes, said):
    at = mistakes(image="5")
    at.button(key="show_cell").click().run()
    assert not at.exception
    assert (at.selectbox(key="true").value, at.selectbox(key="predicted").value) == ("star", "star")
    assert "#### Test image 5: star :green[:material/check: correct]" in said(at)


def test_a_link_to_what_is_not_here_says_so(mistakes, said):
    at = mistakes(true="cat", view="mirror", image="99")
    assert not at.exception
    for what in ("true class 'cat'", "view 'mirror'", "test image '99'"):
        assert f"The link asks for {what}, which isn't here" in said(at)


def test_calibration_and_the_accuracy_of_each_class(mistakes, said):
    at = mistakes(view="calibration")
    assert not at.exception
    reliability, classes = (json.loads(chart.proto.spec)["data"] for chart in at.get("plotly_chart"))
    # 0.5 wrong, 0.7 wrong, 0.8 and 0.8 right, 0.9 right, 0.97 wrong, each in a bin of its own but for the two 0.8
    expected = (0.5 + 0.7 + 0.2 + 0.2 + 0.1 + 0.97) / 6
    assert f"**Expected calibration error {expected:.1%}**" in said(at)
    assert "surer than it should be" in said(at)
    assert [bar["name"] for bar in reliability[:3]] == ["accuracy", "gap to what was said", "keeps its word"]
    assert classes[0]["y"] == list(NAMES)


def test_validation_images_are_judged_as_after_the_checkpoints_epoch(mistakes, run, said):
    at = mistakes(set="validation", val_image="3")
    assert not at.exception
    epoch = find_checkpoint(run).epoch
    assert f"After epoch {epoch} the network judged 6 validation images" in said(at)
    wrong = [i for i, signs in enumerate(CORRECT) if signs[epoch - 1] == "."]
    assert sorted(component(at, "mosaic")["ids"]) == wrong
    assert "Never correct · forgotten 0 times" in said(at)


def test_what_was_learnt_and_forgotten(mistakes, said):
    at = mistakes(view="learnt and forgotten", val_image="2")
    assert not at.exception
    assert component(at, "mosaic")["ids"] == [2]
    assert "First correct after epoch 1 · wrong at the end · forgotten 1 time" in said(at)
    shares = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert [trace["name"] for trace in shares] == [
        "correct throughout",
        "correct again",
        "forgotten",
        "not yet correct",
    ]
    for group, ids in (("never learnt", [3]), ("learnt last", [1, 4, 5, 0]), ("unstable", [1, 2])):
        at.segmented_control(key="group").set_value(group).run()
        assert not at.exception
        assert sorted(component(at, "mosaic")["ids"]) == sorted(ids)


def test_a_run_without_snapshots_still_has_its_test_images(
    open_page, write_run, runs_dir, trained_run, image_tree, said
):
    write_run("plain", weights_of=trained_run, settings={"data_source": "folder", "data_dir": image_tree})
    at = open_page(runs_dir, "mistakes", view="learnt and forgotten")
    assert not at.exception
    assert "This run kept no snapshots" in said(at)
    at.segmented_control(key="view").set_value("confusion").run()
    assert np.sum(component(at, "confusion")["counts"]) == 6, "so few are judged at once"


def test_many_images_are_judged_when_asked_and_kept(
    open_page, write_run, runs_dir, trained_run, image_tree, said, monkeypatch
):
    monkeypatch.setattr("dashboard.components.judged._AT_ONCE", 5)
    run = write_run("plain", weights_of=trained_run, settings={"data_source": "folder", "data_dir": image_tree})
    at = open_page(runs_dir, "mistakes")
    assert "has not judged the 6 test images yet" in said(at)
    assert component(at, "confusion") is None
    assert "known" not in {button.key for button in at.button}, "it keeps no snapshots"
    at.button(key="judge").click().run()
    assert not at.exception
    assert np.sum(component(at, "confusion")["counts"]) == 6
    assert Outcomes.load(find_checkpoint(run).derived("outcomes-test.npz")) is not None
    st.cache_resource.clear()
    assert component(open_page(runs_dir, "mistakes"), "confusion") is not None


def test_until_then_what_is_known_is_a_click_away(mistakes, run, said, monkeypatch):
    monkeypatch.setattr("dashboard.components.judged._AT_ONCE", 5)
    find_checkpoint(run).derived("outcomes-test.npz").unlink()
    at = mistakes()
    assert "has not judged the 6 test images yet" in said(at)
    at.button(key="known").click().run()
    assert not at.exception
    assert "the network judged 6 validation images" in said(at)
    assert component(at, "confusion") is not None


def test_before_the_first_epoch_ends_nothing_is_known_of_the_validation_images(mistakes, run, said, monkeypatch):
    monkeypatch.setattr("dashboard.components.judged._AT_ONCE", 5)
    find_checkpoint(run).derived("outcomes-test.npz").unlink()
    forget_snapshots_after(run, 0)
    write_snapshot(run, Snapshot(0, 0, np.zeros((96, 3, 11, 11)), np.zeros((1, 3)), None), {})
    assert "known" not in {button.key for button in mistakes().button}
    at = mistakes(view="learnt and forgotten")
    assert not at.exception
    assert "The first epoch of this run isn't finished" in said(at)
    assert "kept no snapshots" not in said(at)


def test_images_that_are_gone_are_said(open_page, write_run, runs_dir, trained_run, tmp_path, said):
    write_run("gone", weights_of=trained_run, settings={"data_source": "folder", "data_dir": tmp_path / "nowhere"})
    at = open_page(runs_dir, "mistakes")
    assert not at.exception
    assert "nowhere" in at.error[0].value


def test_what_was_kept_is_shown_without_the_images(mistakes, run, monkeypatch, said):
    def gone(*_args, **_kwargs):
        raise DataMissingError("CIFAR-10 is not on this computer yet: start a run.")

    st.cache_resource.clear()
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.image_sets.load_test_images", gone)
        patch.setattr("dashboard.image_sets.load_data", gone)
        at = mistakes(true="star", predicted="cross", image="4")
        assert not at.exception
        assert not at.error
        assert at.info[0].value.startswith(plain("CIFAR-10 is not on this computer yet"))
        assert component(at, "confusion")["counts"] == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]
        assert component(at, "mosaic") is None
        assert "enter one of these numbers to see what the network said: 4" in said(at)
        assert "Loss 3.91: it gave star a probability of 2.0%." in said(at)
        assert [chart for chart in at.get("plotly_chart") if "judged" in chart.proto.id]
        assert not at.image
        at = mistakes(view="learnt and forgotten", group="never learnt", val_image="3")
        assert not at.exception
        assert len(at.get("plotly_chart")) == 3, "the shares; the answer and the course of the image"
        assert "The strip under each image" not in said(at)
        patch.setattr("dashboard.components.missing_images.fetch_images", lambda *_, **__: patch.undo())
        at.button(key="fetch_images").click().run()
    assert not at.exception
    assert component(at, "mosaic")["ids"] == [3]


def test_a_download_that_fails_or_is_cancelled_says_so(mistakes, run, monkeypatch, said):
    def gone(*_args, **_kwargs):
        raise DataMissingError("CIFAR-10 is not on this computer yet: start a run.")

    def refused(_config, *, data_dir, progress):
        progress(0, 0, "Downloading CIFAR-10: connecting")
        progress(10, 20, "Downloading CIFAR-10")
        raise DataError("CIFAR-10 could not be downloaded: no route.")

    def cancelled(_config, *, data_dir, progress):
        progress(10, 20, "Downloading CIFAR-10")
        raise StopException  # what Streamlit raises out of drawing the bar when somebody clicks

    st.cache_resource.clear()
    monkeypatch.setattr("dashboard.image_sets.load_test_images", gone)
    at = mistakes()
    monkeypatch.setattr("dashboard.components.missing_images.fetch_images", cancelled)
    at.button(key="fetch_images").click().run()
    assert not at.exception
    assert "Stay on this page" in said(at)
    at.button(key="cancel_fetch").click().run()
    assert not at.exception
    assert not at.error
    assert "Stay on this page" not in said(at)
    monkeypatch.setattr("dashboard.components.missing_images.fetch_images", refused)
    at.button(key="fetch_images").click().run()
    assert not at.exception
    assert at.error[0].value == plain("CIFAR-10 could not be downloaded: no route.")
    assert "Stay on this page" not in said(at)


def test_a_real_training_can_be_followed(open_page, trained_run, said):
    at = open_page(trained_run.path.parent, "mistakes", view="learnt and forgotten", group="unstable")
    assert not at.exception
    assert "After epoch 2 the network judged 6 validation images" in said(at)


def test_validation_images_that_changed_since_the_run_are_not_shown_under_its_labels(mistakes, run):
    kept = read_pinned(run)
    for labels in (kept.val_labels[::-1], kept.val_labels[:-1]):
        write_pinned(run, dataclasses.replace(kept, val_labels=labels))
        for epoch in range(1, 4):
            said = np.full((len(labels), 3), 1 / 3, np.float32)
            write_snapshot(run, Snapshot(epoch, 3 * epoch, np.zeros((96, 3, 11, 11)), np.zeros((1, 3)), said), {})
        st.cache_resource.clear()
        at = mistakes(set="validation", val_image="0")
        assert not at.exception
        assert "are not those that the epochs of this run were judged on" in at.info[0].value
        assert component(at, "mosaic") is None
        assert not at.image


def test_other_validation_images_of_the_same_labels_are_not_shown_either(mistakes, run, data_dir):
    val = load_data(run.config, data_dir=data_dir).val
    for recorded, number_shown in ((val.fingerprint(), 1), ("0" * 16, 0)):
        (run.path / "data.json").write_text(json.dumps({"val_fingerprint": recorded}))
        at = mistakes(set="validation", val_image="0")
        assert not at.exception
        assert (component(at, "mosaic") is not None) == bool(number_shown)
        assert len(at.info) == 1 - number_shown


def test_large_images_are_made_smaller_and_encoded_once():
    pixels = torch.tensor([0, 100, 200], dtype=torch.uint8)[:, None, None, None].expand(3, 3, 227, 227)
    images = ImageSet(pixels, torch.arange(3), NAMES)
    found = thumbnails._sheet("three", np.array([2, 0]), None, images)
    assert found[1:] == (192, 192)
    sheet = np.asarray(Image.open(io.BytesIO(found[0])))
    assert sheet.shape == (192, 8 * 192, 3)
    assert sheet[0, [0, 191, 192], 0].tolist() == [200, 200, 0]
    assert thumbnails._sheet("three", np.array([2, 0]), None, images)[0] is found[0]
    assert thumbnails._sheet("three", np.array([2, 0]), np.ones((2, 3), bool), images)[0] is not found[0]


def test_the_matrix_of_many_classes_is_a_picture(mistakes, monkeypatch):
    monkeypatch.setattr("dashboard.components.confusion._MOST_CLASSES", 2)
    at = mistakes(true="star")
    assert not at.exception
    assert component(at, "confusion") is None
    assert [html for html in at.get("html") if "Rows: true class" in html.proto.body]
    assert component(at, "mosaic")["ids"] == [4]


def test_links_to_other_pages_explain_with_the_same_network(mistakes):
    at = mistakes(checkpoint="last", true="any class", predicted="any class", image="4")
    links = [link.proto for link in at.get("page_link")]
    assert {"checkpoint=last", "image=4", "run=judged"} <= set(links[0].query_string.split("&"))


def test_a_link_to_another_page_opens_the_clicked_image_instead_of_an_upload(mistakes):
    at = mistakes(true="any class", predicted="any class", image="4")
    address = dict(parse_qsl(at.get("page_link")[1].proto.query_string))
    at.switch_page("app_pages/predict.py").run()
    at.segmented_control(key="from").set_value("Upload").run()
    at.switch_page("app_pages/feature_maps.py")
    at.query_params = address
    at.run().run()  # AppTest brings back what was chosen on another page with the second drawing
    assert not at.exception
    assert at.number_input(key="image").value == 4
    at.segmented_control(key="from").set_value("Upload").run()
    assert at.segmented_control(key="from").value == "Upload"


def test_judging_can_be_cancelled_and_keeps_nothing(
    open_page, write_run, runs_dir, trained_run, image_tree, said, monkeypatch
):
    monkeypatch.setattr("dashboard.components.judged._AT_ONCE", 5)
    run = write_run("plain", weights_of=trained_run, settings={"data_source": "folder", "data_dir": image_tree})
    at = open_page(runs_dir, "mistakes")

    def click(checkpoint, tell):
        tell(3)
        raise StopException  # what Streamlit raises out of drawing the bar when somebody clicks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surveys, "judge_test_images", click)
        at.button(key="judge").click().run()
    assert not at.exception
    assert "Stay on this page" in said(at)
    at.button(key="cancel_judge").click().run()
    assert "has not judged the 6 test images yet" in said(at)
    assert not find_checkpoint(run).derived("outcomes-test.npz").exists()
