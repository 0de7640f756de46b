"""The new-run form: what it keeps, what it says that it would do, and what a run is called and begins with."""

import shutil
import threading
import time

import pytest

from core.runs.run import RunState, list_runs
from core.training import ending, jobs
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
    assert weights.options == ["a"]
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


@pytest.fixture
def until_released(monkeypatch):
    """Trainings that learn nothing, and finish once the event is set."""
    released = threading.Event()

    def train(writer, _data_dir):
        while not (released.is_set() or writer.stop_requested):
            time.sleep(0.001)
        return RunState.FINISHED if released.is_set() else RunState.STOPPED

    monkeypatch.setattr(ending, "train", train)
    return released


def test_several_values_become_runs_that_train_one_after_the_other(
    open_page, write_run, runs_dir, trained_run, said, until_released
):
    write_run("before", end={"state": "finished", "reason": ""}, weights_of=trained_run)
    at = open_form(open_page, runs_dir)
    at.multiselect(key="varied").set_value(["dropout", "seed"]).run()
    at.text_input(key="varied_dropout").set_value("0, 0.5")
    at.text_input(key="varied_seed").set_value("7, 8")
    at.text_input(key="name").set_value("mine").run()
    assert not at.exception
    assert at.button(key="start").label == "Start 4 runs"
    assert "**4 runs**, one after the other" in said(at)
    at.button(key="start").click().run()
    assert not at.exception
    runs = [run for run in list_runs(runs_dir) if run.id != "before"]
    assert sorted(run.id for run in runs) == [
        "mine-dropout-0.0_seed-7", "mine-dropout-0.0_seed-8", "mine-dropout-0.5_seed-7", "mine-dropout-0.5_seed-8",
    ]  # fmt: skip
    assert at.session_state["run"] == "mine-dropout-0.0_seed-7", "the one that trains is shown"
    states = at.dataframe[0].value["state"]
    assert sorted(states) == ["finished", "running", "waiting, number 1", "waiting, number 2", "waiting, number 3"]

    at.session_state["new_run"] = True
    at.run()
    assert at.button(key="start").label == "Add to the queue"
    at.text_input(key="name").set_value("last").run()
    assert f"1\\. **{plain('mine-dropout-0.0_seed-8')}**" in said(at)
    at.button(key="start").click().run()
    assert not at.exception
    assert jobs.waiting()[-1].id == "last"
    assert at.session_state["run"] == "mine-dropout-0.0_seed-7"

    shutil.move(runs_dir / "mine-dropout-0.5_seed-8", runs_dir.parent)  # by hand
    at.run()
    assert not at.exception
    assert [f"Run '{plain('mine-dropout-0.5_seed-8')}' has no readable" in error.value for error in at.error] == [True]
    shutil.move(runs_dir.parent / "mine-dropout-0.5_seed-8", runs_dir)
    at.run()
    at.button(key="cancel_mine-dropout-0.5_seed-8").click().run()
    assert not at.exception
    assert [run.id for run in jobs.waiting()] == ["mine-dropout-0.0_seed-8", "mine-dropout-0.5_seed-7", "last"]
    assert at.session_state["run"] == "mine-dropout-0.0_seed-7", "the one that trains is still shown"

    at.query_params["run"] = "last"
    at.run()
    assert " Waiting]" in said(at)
    assert at.button(key="stop").label == "Cancel"
    at.button(key="stop").click().run()
    assert not at.exception
    assert f"{plain('Stopped before it began.')} It can still begin." in said(at)
    assert not at.metric, "there is nothing to count"
    assert "last" not in [run.id for run in jobs.waiting()]
    resumed = write_run("resumed", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at.query_params["run"] = "resumed"
    at.run()
    assert at.button(key="resume").label == "Add to the queue"
    at.button(key="resume").click().run()
    assert not at.exception
    assert jobs.waiting()[-1] == resumed
    assert resumed.state is RunState.WAITING
    until_released.set()
    assert jobs.wait(10)
    assert [run.state for run in runs if run.state is not RunState.FINISHED] == [RunState.STOPPED]
    at.switch_page("app_pages/compare.py").run()
    assert not at.exception
    assert sorted(at.multiselect(key="runs").value) == sorted(run.id for run in runs)


def test_a_value_that_cannot_be_tried_is_said_and_nothing_starts(open_page, runs_dir):
    at = open_form(open_page, runs_dir)
    at.multiselect(key="varied").set_value(["dropout"]).run()
    at.text_input(key="varied_dropout").set_value("0.1, 2").run()
    assert not at.exception
    assert [error.value for error in at.error if "dropout" in error.value]
    assert at.button(key="start").disabled


def test_a_name_that_cannot_be_one_is_said_and_starts_nothing(open_page, runs_dir):
    at = open_form(open_page, runs_dir)
    at.text_input(key="name").set_value("My Run").run()
    assert [plain("'My Run' can't name a run") in error.value for error in at.error] == [True], "before it is to start"
    at.button(key="start").click().run()
    assert not at.exception
    assert [plain("'My Run' can't name a run") in error.value for error in at.error] == [True], "once"
    assert not at.warning
    assert list_runs(runs_dir) == []
    assert at.text_input(key="name").value == "My Run"


def test_a_name_that_another_run_has_is_said_at_once(open_page, write_run, runs_dir):
    write_run("taken", end={"state": "finished", "reason": ""})
    at = open_form(open_page, runs_dir)
    at.text_input(key="name").set_value("taken").run()
    assert [error.value for error in at.error] == [
        plain(f"'taken' exists already in {runs_dir}: choose another name, or resume that run.")
    ]
    at.text_input(key="name").set_value("free").run()
    assert not at.error


def test_a_run_that_never_began_is_not_what_the_site_opens_with(open_page, write_run, runs_dir, trained_run):
    write_run("trained", end={"state": "finished", "reason": ""}, weights_of=trained_run)
    write_run("never", end={"state": "stopped", "reason": "Stopped before it began."})
    at = open_page(runs_dir)
    assert not at.exception
    assert "**trained**" in [element.value for element in at.markdown]


def test_a_run_says_with_whose_weights_it_began(open_page, write_run, runs_dir, said):
    write_run("a", end={"state": RunState.STOPPED, "reason": ""}, settings={"pretrained": "starter"})
    assert "Begun with the weights of run starter." in said(open_page(runs_dir))
