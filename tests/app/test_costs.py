"""What a run will cost: the machine is timed once, and never beside a training."""

import pytest

from core.config import make_config
from core.training.cost import Speed
from dashboard import costs
from dashboard.slots import slot


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    slot.clear()
    yield
    slot.clear()


@pytest.fixture
def timed(monkeypatch, runs_dir):
    """The paces that measure_speed is to give, one for each time it is asked."""
    monkeypatch.setenv("ALEXNET_RUNS_DIR", str(runs_dir))
    paces = [10.0, 20.0, 30.0]
    monkeypatch.setattr(costs, "measure_speed", lambda _: Speed("CPU", "float32", paces.pop(0)))
    return paces


def test_the_machine_is_timed_once_for_each_number_of_threads(timed):
    for threads, pace in ((0, 10.0), (0, 10.0), (1, 20.0), (0, 10.0)):
        assert costs.speed(make_config(num_threads=threads)).images_per_second == pace


def test_the_machine_is_not_timed_beside_a_training(timed, write_run):
    with write_run("a").lock():
        assert costs.speed(make_config()) is None
    assert len(timed) == 3
    assert costs.speed(make_config()).images_per_second == 10.0
    with write_run("b").lock():
        assert costs.speed(make_config()).images_per_second == 10.0, "it was known before"


def test_a_pace_that_a_training_took_a_share_of_is_not_kept(timed, write_run, monkeypatch):
    answers = [False, True]  # before and after
    monkeypatch.setattr(costs, "_is_training", lambda: answers.pop(0) if answers else False)
    assert [costs.speed(make_config()).images_per_second for _ in range(3)] == [10.0, 20.0, 20.0]
