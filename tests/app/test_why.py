"""The Why this class page: four explanations of any class, the slow one on a button, links that open the same view."""

import pytest

from core.data.sources import load_test_images
from core.inspection.attribution import METHODS
from core.prediction import predict
from core.runs.checkpoints import find_checkpoint, open_model

QUICK = ("Grad-CAM", "Saliency", "Integrated gradients")


@pytest.fixture
def why(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "why", **address)


@pytest.fixture(scope="module")
def probabilities(trained_run, data_dir):
    """Of the first test image, by class name, the most probable first."""
    model = open_model(find_checkpoint(trained_run, "best"))
    image = load_test_images(trained_run.config, data_dir=data_dir).image(0)
    return dict(predict(model, [image])[0].top(3))


def captions(at):
    return [caption for image in at.image for caption in image.captions]


def test_the_predicted_class_is_explained_by_the_quick_methods_at_once(why, said, probabilities):
    at = why()
    assert not at.exception
    predicted = next(iter(probabilities))
    assert at.selectbox(key="target").value == predicted
    assert captions(at)[1:] == [f"{title} for {predicted}" for title in QUICK]
    assert at.button(key="compute_occlusion").label == "Compute occlusion"
    for title in (*QUICK, "Occlusion"):
        assert f"**{title}.**" in said(at)
    assert said(at).count(":material/warning:") == len(METHODS)
    assert "a gap of" in said(at)
    assert len(at.get("plotly_chart")) == 1


def test_occlusion_comes_on_a_button_and_then_stays(why):
    at = why(image="1")  # what is computed stays known to all sessions, and so to the other tests
    at.button(key="compute_occlusion").click().run()
    assert not at.exception
    assert captions(at)[-1].startswith("Occlusion for")
    at.slider(key="opacity").set_value(0.3).run()
    assert captions(at)[-1].startswith("Occlusion for")
    assert "compute_occlusion" not in [button.key for button in at.button]


def test_any_class_can_be_explained(why, probabilities):
    at = why()
    before = [image.proto.imgs[0].url for image in at.image][1:]
    other = list(probabilities)[-1]
    at.selectbox(key="target").set_value(other).run()
    assert not at.exception
    assert captions(at)[1:] == [f"{title} for {other}" for title in QUICK]
    for now, then in zip([image.proto.imgs[0].url for image in at.image][1:], before, strict=True):
        assert now != then


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_link_opens_the_same_view(why, trained_run, probabilities, place):
    name = list(probabilities)[place]
    at = why(run="trained", checkpoint="best", image="0", target=name)
    assert not at.exception
    assert at.selectbox(key="target").value == name
    assert captions(at)[-1].endswith(f" for {name}")


def test_a_link_to_a_class_that_is_not_there_is_said(why, said, probabilities):
    at = why(target="unicorn")
    assert not at.exception
    assert "asks for class 'unicorn'" in said(at)
    assert at.selectbox(key="target").value == next(iter(probabilities))


def test_without_a_picture_the_next_step_is_said(why):
    at = why()
    at.segmented_control(key="from").set_value("Upload").run()
    assert not at.exception
    assert "Choose a picture of your own" in at.info[0].value
