"""The new-run form: what it keeps, what it says that it would do, and what a run is called and begins with."""

import pytest

from core.runs.run import RunState, list_runs
from core.training import jobs
from dashboard.markdown import plain


@pytest.fixture
def started(monkeypatch):
    """What a click on Start asked for, without any training."""
    asked = []

    def start(config, *, runs_dir, run_id, **_):
        asked.append((config, run_id))
        return next(iter(list_runs(runs_dir)))

    monkeypatch.setattr(jobs, "start", start)
    return asked


def open_form(open_page, runs_dir):
    at = open_page(runs_dir)
    if not at.session_state["new_run"]:
        at.session_state["new_run"] = True
        at.run()
    return at


def test_settings_stay_when_one_looks_elsewhere_and_the_preset_is_a_click_away(open_page, runs_dir, said):
    at = open_form(open_page, runs_dir)
    at.number_input(key="new_num_epochs_smoke").set_value(20)
    at.toggle(key="new_flip_smoke").set_value(False)
    at.selectbox(key="new_optimizer_smoke").set_value("sgd").run()
    for page in ("predict", "train"):
        at.switch_page(f"app_pages/{page}.py").run()
    assert not at.exception
    assert at.number_input(key="new_num_epochs_smoke").value == 20
    assert "Unlike the preset: num epochs **20** · optimizer **sgd** · flip **no**" in said(at)
    at.button(key="as_preset").click().run()
    assert not at.exception
    assert "Unlike the preset" not in said(at)
    assert (at.number_input(key="new_num_epochs_smoke").value, at.toggle(key="new_flip_smoke").value) == (4, True)


def test_a_run_is_called_as_its_user_likes_and_begins_with_the_weights_of_another(
    open_page, write_run, runs_dir, trained_run, started
):
    write_run("a", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    write_run("b", end={"state": "failed", "reason": "no weights"})
    at = open_form(open_page, runs_dir)
    weights = at.selectbox(key="new_pretrained")
    assert weights.options == ["random weights", "a"]
    weights.set_value("a")
    at.segmented_control(key="preset").set_value("seed-2021")
    at.text_input(key="name").set_value(" mine ").run()
    at.button(key="start").click().run()
    assert not at.exception
    ((config, run_id),) = started
    assert (config.preset, config.pretrained, run_id) == ("seed-2021", "a", "mine")
    at = open_form(open_page, runs_dir)
    at.button(key="start").click().run()
    assert (started[1][0].pretrained, started[1][1]) == (None, None)


def test_a_name_that_cannot_be_one_is_said_and_starts_nothing(open_page, runs_dir):
    at = open_form(open_page, runs_dir)
    at.text_input(key="name").set_value("My Run").run()
    at.button(key="start").click().run()
    assert not at.exception
    assert [plain("'My Run' can't name a run") in warning.value for warning in at.warning] == [True]
    assert list_runs(runs_dir) == []
    assert at.text_input(key="name").value == "My Run"


def test_a_run_says_with_whose_weights_it_began(open_page, write_run, runs_dir, said):
    write_run("a", end={"state": RunState.STOPPED, "reason": ""}, settings={"pretrained": "starter"})
    assert "Begun with the weights of run starter." in said(open_page(runs_dir))
