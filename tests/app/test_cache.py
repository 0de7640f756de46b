"""What viewers share: one network a checkpoint, loaded once however many ask for it at the same time."""

import json
import threading

import pytest

from core.config import make_config
from core.runs.checkpoints import find_checkpoint
from core.runs.metrics import encode
from core.training.cost import Speed
from dashboard import cache

VIEWERS = 4


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    cache._model.clear()
    cache.kept.clear()
    yield
    cache._model.clear()
    cache.kept.clear()


def test_viewers_who_come_at_once_load_a_network_once(trained_run, monkeypatch):
    checkpoint = find_checkpoint(trained_run)
    started, loads, found = threading.Barrier(VIEWERS), [], []
    second_load = threading.Event()

    def slow(asked):
        loads.append(asked)
        if len(loads) > 1:
            second_load.set()
        second_load.wait(0.5)  # time for a second to come in, were it let in
        return object()

    def view():
        started.wait()
        found.append(cache.network(checkpoint))

    monkeypatch.setattr(cache, "open_model", slow)
    viewers = [threading.Thread(target=view) for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    assert len(loads) == 1
    assert len(found) == VIEWERS
    assert len({id(model) for model in found}) == 1


def test_no_more_than_three_networks_are_kept(trained_run, monkeypatch):
    checkpoint = find_checkpoint(trained_run)
    loads = []
    monkeypatch.setattr(cache, "open_model", lambda _: loads.append(1) or object())
    for name in ("a", "b", "c", "c", "d", "d"):
        cache._model(name, checkpoint)
    assert len(loads) == 4
    cache._model("a", checkpoint)
    assert len(loads) == 5, "the oldest gave way"


def test_a_run_of_a_deleted_ones_name_is_another_run(write_run):
    """Its files may get the inodes of the old ones, as on ext4, and be longer."""
    run = write_run("a")
    reader = cache.metrics(run)
    reader.poll()
    assert len(reader.steps()["step"]) == 5
    assert cache.metrics(run) is reader, "for all viewers"
    record = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(record | {"environment": {"started": 2.0}}))
    lines = [{"kind": "step", "step": step, "loss": 9.0} for step in range(1, 20)]
    (run.path / "metrics-0001.jsonl").write_bytes(b"".join(map(encode, lines)))
    reader = cache.metrics(run)
    reader.poll()
    assert set(reader.steps()["loss"]) == {9.0}


@pytest.fixture
def timed(monkeypatch, runs_dir):
    """The paces that measure_speed is to give, one for each time it is asked."""
    monkeypatch.setenv("ALEXNET_RUNS_DIR", str(runs_dir))
    paces = [10.0, 20.0, 30.0]
    monkeypatch.setattr(cache, "measure_speed", lambda _: Speed("CPU", "float32", paces.pop(0)))
    return paces


def test_the_machine_is_timed_once_for_each_number_of_threads(timed):
    for threads, pace in ((0, 10.0), (0, 10.0), (1, 20.0), (0, 10.0)):
        assert cache.speed(make_config(num_threads=threads)).images_per_second == pace


def test_the_machine_is_not_timed_beside_a_training(timed, write_run):
    with write_run("a").lock():
        assert cache.speed(make_config()) is None
    assert len(timed) == 3
    assert cache.speed(make_config()).images_per_second == 10.0
    with write_run("b").lock():
        assert cache.speed(make_config()).images_per_second == 10.0, "it was known before"


def test_a_pace_that_a_training_took_a_share_of_is_not_kept(timed, write_run, monkeypatch):
    answers = [False, True]  # before and after
    monkeypatch.setattr(cache, "_is_training", lambda: answers.pop(0) if answers else False)
    assert [cache.speed(make_config()).images_per_second for _ in range(3)] == [10.0, 20.0, 20.0]
