"""The What it looks for page: a picture climbs, can be cancelled, and is then there for all."""

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import StopException

from core.inspection.maximization import Channel, Class
from core.runs.checkpoints import find_checkpoint
from dashboard import experiments
from dashboard.slots import slot


@pytest.fixture
def dream(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "dream", **address)


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    slot.clear()


def test_nothing_runs_unasked(dream, said):
    at = dream(layer="conv2", channel="7")
    assert not at.exception
    assert not at.image
    assert "Seeks a picture that raises conv2 channel 7" in said(at)


def test_a_channel_is_climbed_to_compared_and_kept_for_others(dream, said):
    address = {"layer": "conv1", "channel": "7", "steps": "32"}
    at = dream(**address)
    at.button(key="climb").click().run()
    assert not at.exception
    assert len(at.image) == 1
    assert at.metric[0].label == "conv1 channel 7, mean activation"
    assert float(at.metric[0].value) > 0
    assert "6 test images: " in said(at)
    assert "The network takes the picture for: **" in said(at)
    assert at.get("download_button")
    at.number_input(key="seed").set_value(1).run()
    assert not at.image, "another seed gives another picture"
    assert len(dream(**address).image) == 1, "another viewer finds it"


def test_a_class_is_climbed_to(dream):
    at = dream(goal="class", goal_class="star", steps="32")
    assert not at.exception
    assert at.number_input(key="channel").disabled
    at.button(key="climb").click().run()
    assert not at.exception
    assert at.metric[0].label == "star, log-odds"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"layer": "conv1", "channel": "96"}, "channel '96'"),
        ({"steps": "7"}, "number of steps '7'"),
        ({"goal": "world peace"}, "kind of goal 'world peace'"),
        ({"goal": "class", "goal_class": "cat"}, "class 'cat'"),
    ],
)
def test_a_link_to_what_is_not_there_is_said(dream, address, words):
    at = dream(**address)
    assert not at.exception
    assert f"The link asks for {words}, which isn't here" in at.warning[0].value


def test_a_click_cancels_and_the_last_picture_stays(dream, said):
    at = dream(layer="conv1", channel="3", steps="32")
    compute = experiments.compute_dream

    def interrupted(checkpoint, goal, seed, steps, on_step):
        def click_at_the_third(done, total, picture):
            on_step(done, total, picture)
            if done == 3:
                raise StopException  # what Streamlit raises out of on_step's drawing when somebody clicks

        compute(checkpoint, goal, seed, steps, click_at_the_third)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "compute_dream", interrupted)
        at.button(key="climb").click().run()
    assert not at.exception
    at.run()
    assert "Cancelled after 3 of 32 steps." in said(at)
    assert len(at.image) == 1
    at.number_input(key="channel").set_value(4).run()
    assert not at.image


def test_what_raises_in_between_keeps_nothing(trained_run):
    checkpoint = find_checkpoint(trained_run)

    def stop(done, total, picture):
        raise StopException

    for goal in (Channel("conv1", 0), Class(1)):
        with pytest.raises(StopException):
            experiments.compute_dream(checkpoint, goal, 0, 32, stop)
        assert experiments.dream(checkpoint, goal, 0, 32) is None
