"""A run that came with the project: shown at the first visit, later behind the own runs, never written to."""

import re
import shutil

import numpy as np
import pytest

from core.data.sources import load_test_images
from core.runs.checkpoints import find_checkpoint
from core.runs.run import Run
from core.survey import survey
from dashboard.markdown import plain

END = {"state": "stopped", "reason": ""}


@pytest.fixture
def shipped(runs_dir, packed_run):
    """The packed run in a folder to which runs can be added, with its card."""
    run = Run(runs_dir / packed_run.id)
    shutil.copytree(packed_run.path, run.path)
    (run.path / "README.md").write_text("# Card")
    return run


def test_the_first_visit_shows_the_form_and_below_it_the_shipped_run(open_page, shipped, said):
    at = open_page(shipped.path.parent)
    assert not at.exception
    assert "the first run takes one to four minutes" in said(at)
    assert not at.button(key="start").disabled, "the form is open"
    assert "A trained network to start with" in said(at)
    assert "trained on a copy of CIFAR-10, then packed to travel." in said(at)
    assert "`runs/shipped/README.md`" in said(at)
    (card,) = (metric for metric in at.metric if metric.label == "Test accuracy")
    assert card.help == "Best checkpoint before packing, on 6 images that training never saw."
    assert [link.label for link in at.page_link] == ["Let it predict", "Look inside it", "See it learn"]
    assert "**shipped**" in said(at)
    assert [chart.proto.component_name for chart in at.get("bidi_component")] == ["alexnet_live_chart"]
    assert "Validation images by class, after epoch 2" in said(at)
    assert not {"stop", "resume"} & {button.key for button in at.button}
    assert not at.dataframe, "a table of one run that is not the user's says nothing"


def test_the_users_own_run_comes_first_and_the_shipped_one_stays_in_reach(
    open_page, write_run, shipped, trained_run, said
):
    write_run("mine", end=END, weights_of=trained_run)
    (shipped.path / "config.json").touch()  # as new as a checkout
    at = open_page(shipped.path.parent)
    assert not at.exception
    assert "**mine**" in said(at)
    assert "A trained network" not in said(at)
    assert "the first run takes" not in said(at)
    assert at.dataframe[0].value["run_id"].tolist() == ["mine", "shipped"]
    at = open_page(shipped.path.parent, run="shipped")
    assert "A trained network to start with" in said(at)
    assert "start" not in {button.key for button in at.button}, "the form is folded away"
    for page in ("predict", "feature_maps"):
        at = open_page(shipped.path.parent, page)
        assert at.selectbox(key="run").options == ["mine", "shipped"]
        assert at.selectbox(key="run").value == "mine"
        at.selectbox(key="run").set_value("shipped").run()
        assert not at.exception
        assert re.search(
            r"Packed run · a copy of CIFAR-10, .* · validation accuracy \d+\.\d% before packing\n", said(at)
        )


@pytest.mark.parametrize("page", ["predict", "feature_maps"])
def test_without_the_test_set_a_photograph_is_shown(open_page, packed_run, page):
    at = open_page(packed_run.path.parent, page)
    assert not at.exception
    assert not at.error
    assert at.info[0].value.startswith(plain("CIFAR-10 is not on this computer yet"))
    assert at.info[0].value.endswith("Until then, here is a photograph of a cat.")
    captions = [caption for image in at.image for caption in image.captions]
    if page == "predict":
        assert captions == ["example photograph", "What the network sees, 227 × 227"]
        assert "it is cat" in at.markdown[0].value, "its class is known"
    else:
        assert len(at.get("bidi_component")) == 2, "the mosaic, and the map over the photograph"
    assert at.button(key="fetch_images").label == "Download CIFAR-10 now (170 MB)"
    at.segmented_control(key="from").set_value("Upload").run()
    assert not at.exception
    assert "Choose a picture of your own" in at.info[0].value


def test_what_was_surveyed_travels_along(open_page, shipped, trained_run, data_dir, said):
    """Who has no test images sees the mistakes and the atlas all the same."""
    images = load_test_images(trained_run.config, data_dir=data_dir)
    outcomes, atlas = survey(find_checkpoint(shipped), images)
    at = open_page(shipped.path.parent, "mistakes")
    assert not at.exception
    assert not at.error
    assert f"judged 6 test images, which training never saw: **{outcomes.accuracy:.1%} correct**" in said(at)
    assert "Until then, its answers are shown without the pictures. They are answers to a copy" in at.info[0].value
    channel = int(atlas.layers["conv1"].active.argmax())
    at = open_page(shipped.path.parent, "feature_maps", layer="conv1", channel=str(channel))
    assert not at.exception
    assert not at.error
    assert "On all 6 test images" in said(at)
    assert f"are of test images that aren't here. {plain('CIFAR-10 is not on this computer yet')}" in said(at)


def test_looking_writes_nothing(open_page, packed_run):
    def listing():
        return {path: path.stat().st_mtime_ns for path in [packed_run.path, *packed_run.path.rglob("*")]}

    before = listing()
    for page in ("train", "predict", "feature_maps", "architecture"):
        assert not open_page(packed_run.path.parent, page).exception
    assert listing() == before


def test_the_same_picture_gives_the_same_answer_as_core(open_page, packed_run):
    from core import load_model, predict
    from core.data.example import example_image

    (expected,) = predict(load_model(packed_run), [example_image()])
    at = open_page(packed_run.path.parent, "predict")
    assert at.markdown[0].value.startswith(f"### {expected.label} · {np.max(expected.probabilities):.1%}")
