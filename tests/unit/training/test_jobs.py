"""core.training.jobs: one training at a time in a process, and every end is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from core.config import make_config
from core.errors import ConfigError, CoreError, DataError, RunError, RunLockedError, StopRequested
from core.runs.run import Run, RunState, create_run, list_runs
from core.runs.writer import RunWriter
from core.training import device, ending, jobs
from core.training.device import device_lock, prepare_worker

CONFIG = make_config(device="cpu", precision="float32")


def until_stopped(writer: RunWriter, _data_dir: Path) -> RunState:
    """In the place of a training: runs until it is asked to stop."""
    while not writer.stop_requested:
        time.sleep(0.001)
    return RunState.STOPPED


@pytest.fixture
def start(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """start(run_id): begins a run that trains nothing."""
    monkeypatch.setattr(ending, "train", until_stopped)
    return lambda run_id=None: jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir, run_id=run_id)


def test_a_second_start_is_refused_naming_the_first(start: Callable[..., Run], runs_dir: Path) -> None:
    run = start("first")
    assert jobs.active() == run
    with pytest.raises(RunLockedError, match="Run 'first' is already training here; stop it before"):
        start("second")
    assert [found.id for found in list_runs(runs_dir)] == ["first"]
    run.request_stop()
    assert jobs.wait(10)
    assert jobs.active() is None
    assert run.state is RunState.STOPPED
    assert start("second").state is RunState.RUNNING


@pytest.fixture
def queue(start: Callable[..., Run], runs_dir: Path) -> list[Run]:
    """One run that trains and two that wait for their turn."""
    start("first")
    return [
        jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir, run_id=run_id, in_turn=True)
        for run_id in ("second", "third")
    ]


def test_runs_wait_for_their_turn_and_are_trained_one_after_the_other(
    queue: list[Run], runs_dir: Path, wait_until: Callable[..., None]
) -> None:
    first, (second, third) = jobs.active(), queue
    assert first is not None
    assert jobs.waiting() == queue
    assert [run.state for run in (first, *queue)] == [RunState.RUNNING, RunState.WAITING, RunState.WAITING]
    first.request_stop()
    wait_until(lambda: jobs.active() == second)
    assert [run.state for run in (first, *queue)] == [RunState.STOPPED, RunState.RUNNING, RunState.WAITING]
    with pytest.raises(RunLockedError, match="'second' is already training here"):
        jobs.resume(first, data_dir=runs_dir)
    for run in queue:
        wait_until(lambda run=run: jobs.active() == run)
        run.request_stop()
    assert jobs.wait(10)
    assert third.state is RunState.STOPPED


def test_a_run_that_waits_stops_at_once_and_can_be_resumed(queue: list[Run], runs_dir: Path) -> None:
    second, third = queue
    jobs.stop(second)
    assert (second.state, jobs.waiting()) == (RunState.STOPPED, [third])
    assert second.end is not None
    assert second.end["reason"] == "Stopped before it began."
    for run in (third, jobs.active()):
        assert run is not None
        jobs.stop(run)
    assert jobs.wait(10)
    assert jobs.resume(second, data_dir=runs_dir).state is RunState.RUNNING


def test_a_run_whose_end_cannot_be_written_does_not_keep_the_next_from_training(
    start: Callable[..., Run], runs_dir: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    end = RunWriter.end

    def full(writer: RunWriter, state: RunState, reason: str = "") -> None:
        if writer.run.id == "first":
            raise OSError(28, "No space left on device")
        end(writer, state, reason)

    monkeypatch.setattr(RunWriter, "end", full)
    first = start("first")
    second = jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir, run_id="second", in_turn=True)
    first.request_stop()
    wait_until(lambda: jobs.active() == second)
    assert (first.state, second.state) == (RunState.INTERRUPTED, RunState.RUNNING)


def test_a_start_in_turn_begins_at_once_where_nothing_trains(start: Callable[..., Run], runs_dir: Path) -> None:
    for run_id in ("a", "b"):  # the thread of before has ended
        run = jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir, run_id=run_id, in_turn=True)
        assert (run.state, jobs.waiting()) == (RunState.RUNNING, [])
        run.request_stop()
        assert jobs.wait(10)


def test_a_server_that_ends_lets_go_of_the_runs_that_wait(queue: list[Run]) -> None:
    jobs._shut_down()
    assert [run.state for run in queue] == [RunState.STOPPED, RunState.STOPPED]
    assert jobs.wait(0)


def test_a_training_begins_when_the_timing_of_this_machine_has_ended(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def trained(*_: object) -> RunState:
        began.set()
        return RunState.FINISHED

    monkeypatch.setattr(ending, "train", trained)
    assert device_lock.acquire(timeout=10)
    try:
        run = jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir)
        assert not began.wait(0.2)
        assert run.state is RunState.RUNNING
    finally:
        device_lock.release()
    assert jobs.wait(10)
    assert run.state is RunState.FINISHED


@pytest.mark.parametrize("attempt", range(5))
def test_of_many_starts_at_once_exactly_one_wins(start: Callable[..., Run], runs_dir: Path, attempt: int) -> None:
    barrier, won, refused = threading.Barrier(25), [], []

    def press(number: int) -> None:
        barrier.wait()
        try:
            won.append(start(f"run-{number}"))
        except RunLockedError:
            refused.append(number)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 24)
    assert list_runs(runs_dir) == won


def test_after_a_run_of_one_thread_others_compute_with_all_cores_again(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepared(writer: RunWriter, _data_dir: Path) -> RunState:
        assert prepare_worker(writer.run.config, torch.device("cpu")) == 1
        return RunState.FINISHED

    before = torch.get_num_threads()
    monkeypatch.setattr(ending, "train", prepared)
    monkeypatch.setattr(device, "_ALL_THREADS", 3)  # whatever this machine has
    try:
        jobs.start(CONFIG.model_copy(update={"num_threads": 1}), runs_dir=runs_dir, data_dir=runs_dir)
        assert jobs.wait(30)
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def just_ended(start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Run, threading.Event]]:
    """A run that has said its last word while its thread still holds the lock, until the event is set."""
    let_go, close = threading.Event(), RunWriter.close

    def slowly(writer: RunWriter) -> None:
        let_go.wait(10)
        close(writer)

    monkeypatch.setattr(RunWriter, "close", slowly)
    run = start("first")
    run.request_stop()
    while run.end is None:
        time.sleep(0.001)
    yield run, let_go
    let_go.set()


def test_a_run_that_has_ended_is_not_active_and_can_be_resumed_at_once(just_ended: tuple[Run, threading.Event]) -> None:
    run, let_go = just_ended
    assert jobs.active() is None
    threading.Timer(0.05, let_go.set).start()
    assert jobs.resume(run, data_dir=run.path).state is RunState.RUNNING
    assert jobs.active() == run


def test_a_start_does_not_wait_for_ever_for_the_run_before(
    start: Callable[..., Run], just_ended: tuple[Run, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_TIDY_SECONDS", 0.01)
    with pytest.raises(RunLockedError, match="has just ended is still being written"):
        start("second")
    just_ended[1].set()
    assert jobs.wait(10)
    assert start("second").state is RunState.RUNNING


def test_a_server_does_not_end_before_the_thread_of_a_run_that_has(just_ended: tuple[Run, threading.Event]) -> None:
    threading.Timer(0.05, just_ended[1].set).start()
    jobs._shut_down()
    assert jobs.wait(0)


def test_a_running_run_cannot_be_resumed(start: Callable[..., Run]) -> None:
    run = start("first")
    with pytest.raises(RunLockedError):
        jobs.resume(run, data_dir=run.path)


def test_a_run_that_another_process_writes_cannot_be_resumed(runs_dir: Path) -> None:
    run = create_run(runs_dir, CONFIG, {}, "theirs")
    with RunWriter(run), pytest.raises(RunError, match="'theirs' is running: only a stopped, failed or interrupted"):
        jobs.resume(run, data_dir=runs_dir)


@pytest.mark.parametrize("state", [RunState.STOPPED, RunState.FAILED, None])
def test_what_ended_early_can_be_resumed(start: Callable[..., Run], runs_dir: Path, state: RunState | None) -> None:
    run = create_run(runs_dir, CONFIG, {}, "first")
    with RunWriter(run) as writer:
        if state:
            writer.end(state)
    assert jobs.resume(run, data_dir=runs_dir).state is RunState.RUNNING
    assert jobs.active() == run


def test_a_bad_name_or_a_missing_device_starts_nothing(start: Callable[..., Run], runs_dir: Path) -> None:
    with pytest.raises(RunError, match="can't name a run"):
        start("../x")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="cuda was asked for"):
            jobs.start(make_config(device="cuda"), runs_dir=runs_dir, data_dir=runs_dir)
    assert jobs.active() is None
    assert not list(runs_dir.iterdir())


@pytest.mark.parametrize(
    ("error", "state", "reason", "logged"),
    [
        (StopRequested("Stopped while loading."), "stopped", "Stopped while loading.", False),
        (DataError("No images."), "failed", "No images.", False),
        (CoreError("As it is."), "failed", "As it is.", False),
        (ValueError("odd"), "failed", "ValueError: odd. The full traceback is in r/run.log.", True),
        (torch.OutOfMemoryError("CUDA"), "failed", "Out of GPU memory at batch_size 16; try 8.", True),
        (OSError(28, "No space left on device"), "failed", "The run could not be written or read: No space left on "
         "device. Free some space, then resume.", True),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "failed", "The run could not be written "
         "or read: I/O error: No space left on device (os error 28). Free some space, then resume.", True),
        (PermissionError(13, "Permission denied"), "failed", "The run could not be written or read: Permission denied. "
         "See that its files can be read and written, then resume.", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_every_error_ends_the_run_with_a_sentence(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, reason: str, logged: bool
) -> None:
    def fail(_writer: RunWriter, _data_dir: Path) -> RunState:
        raise error

    monkeypatch.setattr(ending, "train", fail)
    run = jobs.start(CONFIG, runs_dir=runs_dir, data_dir=runs_dir, run_id="r")
    assert jobs.wait(10)
    assert run.end is not None
    assert (run.end["state"], run.end["reason"]) == (state, reason)
    log = run.path / "run.log"
    assert log.exists() == logged
    assert not logged or "Traceback" in log.read_text()
    RunWriter(run).close()  # the lock is free


def test_the_environment_is_recorded(start: Callable[..., Run]) -> None:
    environment = start("first").environment
    assert environment["torch"] == torch.__version__
    assert environment["precision"] == "float32"
    assert environment["device"].startswith("CPU, ")


def test_the_environment_names_the_threads_that_compute(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "train", until_stopped)
    config = make_config(device="cpu", num_threads=1)
    assert jobs.start(config, runs_dir=runs_dir, data_dir=runs_dir).environment["device"] == "CPU, 1 thread"


def test_a_server_that_ends_lets_its_run_stop_properly(runs_dir: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from core.config import make_config\n"
        "from core.training import ending, jobs\n"
        "from core.runs.run import RunState\n"
        "def train(writer, _):\n"
        "    while not writer.stop_requested: time.sleep(0.01)\n"
        "    time.sleep(0.5)  # saving takes its time\n"
        "    return RunState.STOPPED\n"
        "ending.train = train\n"
        "jobs.start(make_config(device='cpu'), runs_dir=Path(sys.argv[1]), data_dir=Path(sys.argv[1]), run_id='r')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(runs_dir)], env=environment, check=True, timeout=60)
    assert [run.state for run in list_runs(runs_dir)] == [RunState.STOPPED]


def test_a_server_ends_though_the_wish_to_stop_cannot_be_written(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_run: Run) -> None:
        raise RunError("can't be stopped from here")

    start()
    with monkeypatch.context() as patch:
        patch.setattr(Run, "request_stop", refuse)
        began = time.monotonic()
        jobs._shut_down()
    assert time.monotonic() - began < 5, "there is nothing to wait for"
