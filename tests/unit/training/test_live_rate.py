"""A learning rate that is changed by hand: from the next step on, on record, and repeated by a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.config import TrainConfig
from core.runs.metrics import MetricsReader, RateChange, with_change
from core.runs.run import Run, RunState
from core.runs.writer import RunWriter
from core.training import jobs, loop
from core.training.live_rate import LiveRate
from core.training.optimizer import learning_rate
from tests.conftest import ConfigFactory

pytestmark = pytest.mark.usefixtures("narrow")

WISHES = {1: 0.5, 3: 10.0}  # steps done, and the factor that somebody asks for then


def metrics(run: Run) -> MetricsReader:
    return MetricsReader(run.path)


@pytest.fixture
def changed(runs_dir: Path, data_dir: Path, tiny_config: ConfigFactory, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose rate is changed twice, and that breaks off after its fourth step, none of them saved."""
    step = loop.training_step

    def wrapped(config: TrainConfig, state: loop.TrainingState, *rest: Any) -> torch.Tensor:
        result = step(config, state, *rest)
        run, done = jobs.active(), state.step + 1
        assert run is not None
        if done in WISHES:
            run.request_learning_rate_factor(WISHES[done])
        if done == 5:
            raise RuntimeError("the power went")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_step", wrapped)
        run = jobs.start(tiny_config(checkpoint_epochs=2), runs_dir=runs_dir, data_dir=data_dir)
        assert jobs.wait(200)
    return run


def test_a_factor_counts_from_the_next_step_on_and_a_resume_repeats_it(changed: Run, data_dir: Path) -> None:
    assert changed.state is RunState.FAILED
    rates = [f * learning_rate(changed.config, step, 6) for step, f in enumerate([1, 0.5, 0.5, 10, 10, 10])]
    before = metrics(changed).steps()
    assert before["learning_rate"].tolist() == rates[:4]
    changes = [RateChange(1, 0.5), RateChange(3, 10)]
    assert metrics(changed).rate_changes() == changes
    jobs.resume(changed, data_dir=data_dir)
    assert jobs.wait(200)
    assert changed.state is RunState.FINISHED, changed.end
    again = metrics(changed).steps()
    assert again["loss"].tolist()[:4] == before["loss"].tolist(), "all steps were done anew, with the same rates"
    assert again["learning_rate"].tolist() == rates
    assert metrics(changed).rate_changes() == changes


def test_another_wish_while_steps_are_repeated_takes_the_place_of_the_later_ones() -> None:
    changes = [RateChange(100, 2.0), RateChange(150, 0.5)]
    assert with_change(changes, RateChange(120, 3.0)) == [RateChange(100, 2.0), RateChange(120, 3.0)]
    assert with_change(changes, RateChange(150, 1.0)) == [RateChange(100, 2.0), RateChange(150, 1.0)]


def test_a_resume_between_two_changes_takes_the_first_at_once_and_the_second_in_its_time() -> None:
    writer, logged = RunWriter.__new__(RunWriter), []
    writer.log = lambda kind, **fields: logged.append((kind, fields))  # type: ignore[method-assign]
    rate = LiveRate([RateChange(100, 2.0), RateChange(150, 0.5)])
    assert [rate.factor(writer, step, 0.5) for step in (120, 149, 150)] == [2.0, 2.0, 0.5]
    assert logged == []
    assert [rate.factor(writer, step, asked) for step, asked in ((160, 3.0), (161, 3.0), (162, 0.0))] == [3.0] * 3
    assert logged == [("event", {"event": "learning rate", "step": 160, "factor": 3.0})]
