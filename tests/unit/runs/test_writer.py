"""core.runs.writer: one hand writes a run, and each attempt begins cleanly."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from core.config import make_config
from core.errors import RunError, RunLockedError
from core.runs.metrics import MetricsReader, segment_paths
from core.runs.run import Run, RunState, create_run
from core.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path, make_config(), {}, "first")


def test_a_second_writer_is_refused_within_seconds_naming_the_first(run: Run) -> None:
    with RunWriter(run):
        began = time.monotonic()
        with pytest.raises(RunLockedError, match=rf"'first' is already being written by process {os.getpid()} on "):
            RunWriter(run)
        assert time.monotonic() - began < 3
        assert len(segment_paths(run.path)) == 1


def test_of_many_writers_one_gets_in(run: Run) -> None:
    barrier, won, refused = threading.Barrier(12), [], []

    def compete() -> None:
        barrier.wait()
        try:
            won.append(RunWriter(run))
        except RunLockedError as error:
            refused.append(error)

    threads = [threading.Thread(target=compete) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 11)
    won[0].close()


def test_a_reader_that_looks_all_the_time_keeps_no_writer_out(run: Run) -> None:
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            assert run.state in (RunState.RUNNING, RunState.INTERRUPTED)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(20):
            RunWriter(run).close()
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert len(segment_paths(run.path)) == 20


def test_every_attempt_has_its_own_segment_and_leaves_the_earlier_alone(run: Run) -> None:
    contents = []
    for attempt in (1, 2, 3):
        with RunWriter(run) as writer:
            assert writer.attempt == attempt
            writer.log("event", event="start", step=0)
        paths = segment_paths(run.path)
        assert [path.name for path in paths] == [f"metrics-{number:04}.jsonl" for number in range(1, attempt + 1)]
        assert [path.read_bytes() for path in paths[:-1]] == contents
        contents.append(paths[-1].read_bytes())


def test_reopening_clears_the_end_and_an_old_wish_to_stop(run: Run) -> None:
    with RunWriter(run) as writer:
        writer.end(RunState.STOPPED, "")
    run.request_stop()
    with RunWriter(run) as writer:
        assert run.end is None
        assert not writer.stop_requested
        run.request_stop()
        assert writer.stop_requested


def test_a_wish_to_stop_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"'file' can't be stopped from here, for .* can't be written: Not a directory"):
        Run(tmp_path / "file").request_stop()
    Run(tmp_path / "deleted").request_stop()


def test_a_full_disk_takes_a_wish_to_stop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)  # an empty file still fits
    run.request_stop()
    assert run.stop_requested


def test_a_wish_for_another_learning_rate_stays_and_is_checked(run: Run, tmp_path: Path) -> None:
    assert run.learning_rate_factor is None
    with RunWriter(run) as writer:
        assert writer.learning_rate_factor == 0
        run.request_learning_rate_factor(0.5)
        assert writer.learning_rate_factor == 0.5
    with RunWriter(run) as writer:
        assert writer.learning_rate_factor == 0.5
    for factor in (0, -1, 1001, float("nan")):
        with pytest.raises(RunError, match=r"can be multiplied by 0\.001 to 1000, not by"):
            run.request_learning_rate_factor(factor)
    (run.path / "learning_rate.json").write_text('{"factor": "much"}')
    assert run.learning_rate_factor is None
    with pytest.raises(RunError, match=r"The learning rate of run 'deleted' stays: .*: No such file or directory"):
        Run(tmp_path / "deleted").request_learning_rate_factor(2)


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(run: Run) -> None:
    (run.path / "checkpoints").mkdir()
    leftovers = [run.path / ".progress.json.tmp", run.path / "checkpoints" / ".step-00000001.safetensors.x1.tmp"]
    kept = [run.path / "notes.tmp", run.path / "checkpoints" / "step-00000001.safetensors"]
    for path in leftovers + kept:
        path.write_text("x")
    with RunWriter(run):
        assert not any(path.exists() for path in leftovers)
        assert all(path.exists() for path in kept)


def test_a_record_is_visible_to_readers_at_once(run: Run) -> None:
    reader = MetricsReader(run.path)
    with RunWriter(run) as writer:
        for step in (1, 2, 3):
            writer.log("step", step=step, loss=0.5)
            reader.poll()
            assert reader.steps()["step"][-1] == step


def test_a_long_record_survives_writes_that_take_a_part(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nearly full disk takes part of a line."""
    whole = os.write
    with RunWriter(run) as writer:
        monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:36]))
        writer.log("epoch", epoch=1, step=1, confusion=[[n] * 10 for n in range(10)])
        monkeypatch.undo()
    reader = MetricsReader(run.path)
    assert reader.epochs()[0]["confusion"][9] == [9] * 10
    assert reader.damaged == 0


def test_progress_is_written_once_a_second_unless_forced(run: Run) -> None:
    with RunWriter(run) as writer:
        writer.report(force=True)
        for step in range(200):
            writer.report(step=step)
        assert run.progress.step < 199
        writer.report(force=True)
        assert (run.progress.step, run.progress.phase) == (199, "loading")


def test_the_end_is_in_the_folder_and_in_the_metrics(run: Run) -> None:
    with RunWriter(run) as writer:
        writer.end(RunState.FAILED, "no luck")
    end = json.loads((run.path / "end.json").read_text())
    assert (end["state"], end["reason"]) == ("failed", "no luck")
    reader = MetricsReader(run.path)
    assert [(event["state"], event["reason"]) for event in reader.events()] == [("failed", "no luck")]


def test_the_log_grows(run: Run) -> None:
    with RunWriter(run) as writer:
        writer.append_log("first\n")
        writer.append_log("second\n")
    assert (run.path / "run.log").read_text() == "first\nsecond\n"


def test_files_are_as_readable_as_any_other(run: Run, tmp_path: Path) -> None:
    """Made beside their place and renamed, they would be for their owner's eyes only."""
    plain = tmp_path / "plain"
    plain.touch()
    with RunWriter(run) as writer:
        writer.write_data({"counts": {}})
    for name in ("config.json", "data.json", "writer.json", "progress.json", "metrics-0001.jsonl"):
        assert (run.path / name).stat().st_mode == plain.stat().st_mode, name


def test_closing_twice_closes_nobody_elses_file(run: Run, tmp_path: Path) -> None:
    writer = RunWriter(run)
    writer.close()
    with (tmp_path / "another").open("wb") as another, RunWriter(run):  # they get the descriptors that are free again
        writer.close()
        another.write(b"still open")
        another.flush()
        with pytest.raises(RunLockedError):
            RunWriter(run)
