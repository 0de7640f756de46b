"""What can be done with a run beside stopping it: change its learning rate, delete it."""

import time

import pytest

from core.errors import RunError
from core.runs.metrics import encode
from core.runs.run import Run, list_runs
from dashboard.markdown import plain


@pytest.fixture
def running(write_run):
    """A run whose lock is held."""
    run = write_run("a", progress={"phase": "training", "step": 5, "num_steps": 20, "heartbeat": time.time()})
    with run.lock():
        yield run


def test_the_learning_rate_of_a_run_that_trains_can_be_changed(open_page, running, runs_dir, said):
    at = open_page(runs_dir)
    assert "The last step's rate was 0.001." in said(at)
    at.button(key="rate_0.5").click().run()
    assert not at.exception
    assert running.learning_rate_factor == 0.5
    running.request_learning_rate_factor(3)  # as a terminal, or another tab
    at.run()
    assert at.button(key="rate_3").label == "× 3"
    assert running.learning_rate_factor == 3


def test_a_run_that_diverged_can_go_on_more_slowly(open_page, write_run, runs_dir):
    run = write_run("a", end={"state": "failed", "reason": "training diverged"})
    open_page(runs_dir).button(key="rate_0.1").click().run()
    assert run.learning_rate_factor == 0.1


def test_a_rate_that_cannot_be_changed_is_said(open_page, running, runs_dir, monkeypatch):
    def refuse(*_):
        raise RunError("The learning rate of run 'a' stays.")

    at = open_page(runs_dir)
    monkeypatch.setattr(Run, "request_learning_rate_factor", refuse)
    at.button(key="rate_0.5").click().run()
    assert not at.exception
    assert [warning.value for warning in at.warning] == [plain("The learning rate of run 'a' stays.")]


def test_changes_of_the_rate_are_told_with_their_steps(open_page, write_run, runs_dir, said):
    run = write_run("a", end={"state": "stopped", "reason": ""})
    with (run.path / "metrics-0001.jsonl").open("ab") as file:
        for step, factor in ((1200, 0.5), (2000, 1)):
            file.write(encode({"kind": "event", "event": "learning rate", "step": step, "factor": factor}))
    at = open_page(runs_dir)
    assert "changed by hand: × 0.5 from step 1,201 on, × 1 from step 2,001 on." in said(at)


def test_a_run_can_be_deleted_but_not_while_it_trains(open_page, write_run, running, runs_dir, said):
    write_run("old", end={"state": "stopped", "reason": ""})
    assert "delete" not in {button.key for button in open_page(runs_dir, run="a").button}
    at = open_page(runs_dir, run="old")
    assert "old with its weights and all that it recorded" in said(at)
    at.button(key="delete").click().run()
    assert not at.exception
    assert plain("Run old is deleted.") in said(at)
    assert list_runs(runs_dir) == [running]
    assert "**a**" in said(at)


def test_the_network_that_comes_with_the_project_is_not_deleted_by_a_click(open_page, packed_run):
    at = open_page(packed_run.path.parent)
    assert not at.exception
    assert "delete" not in {button.key for button in at.button}
