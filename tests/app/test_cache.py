"""What viewers share: one network a checkpoint, loaded once however many ask for it at the same time."""

import json
import threading

import pytest

from core.runs.checkpoints import find_checkpoint
from core.runs.metrics import encode
from dashboard import cache

VIEWERS = 4


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    cache._model.clear()
    yield
    cache._model.clear()


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
