"""The one background thread of this process that trains: one run, then those that wait for their turn."""

from __future__ import annotations

import atexit
import contextlib
import os
import platform
import threading
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import torch

from core.config import TrainConfig
from core.errors import ConfigError, RunError, RunLockedError
from core.runs.checkpoints import available
from core.runs.progress import WAITING
from core.runs.run import Run, RunState, create_run, load_run
from core.runs.writer import RunWriter
from core.training.beginning import find_pretrained, with_its_input
from core.training.device import describe, device_lock, pick_device, release_worker
from core.training.distributed import SilentWriter, current, report_failure
from core.training.ending import readable, train_to_its_end
from core.training.loop import train

_SHUTDOWN_SECONDS = 20.0
_BEFORE_IT_BEGAN = "Stopped before it began."
_TIDY_SECONDS = 10.0  # from a run's last word to the end of its thread; an instant, but for a disk that is slow to sync


class Turn(NamedTuple):
    """A run that this process is to train, already held by its lock."""

    writer: RunWriter
    data_dir: Path


_lock = threading.Lock()  # whoever starts a run
_thread: threading.Thread | None = None
_run: Run | None = None
_turns = threading.Lock()  # whoever reads or changes the two below
_waiting: list[Turn] = []
_goes_on = False  # whether the thread will look for another run that waits


def start(
    config: TrainConfig, *, runs_dir: Path, data_dir: Path, run_id: str | None = None, in_turn: bool = False
) -> Run:
    """Create a run and train it in the background.

    in_turn: while another run trains in this process, wait until that, and those that wait already, have ended.
    Raises RunLockedError while another run trains, unless in_turn; RunError for a bad or taken run_id; ConfigError
    where the device, or the run whose weights it is to begin with, isn't there.
    """
    device = _usable_device(config)
    config = with_its_input(config, find_pretrained(config, runs_dir))
    with _lock:
        if not in_turn:
            _refuse_second()
        run = create_run(runs_dir, config, _environment(config, device), run_id)
        _launch(run, data_dir)
        return run


def resume(run: Run, *, data_dir: Path, in_turn: bool = False) -> Run:
    """Go on training a stopped, failed or interrupted run from its last checkpoint. in_turn: as for `start`.

    Raises RunLockedError while another run trains here, unless in_turn, or another process writes this one; RunError
    where there is nothing to resume, ConfigError where it has to begin once more and its first weights aren't there.
    """
    with _lock:
        if not in_turn:
            _refuse_second()
        state = run.state
        if not state.can_resume:
            raise RunError(f"Run {run.id!r} is {state.value}: only a stopped, failed or interrupted run can go on.")
        _usable_device(run.config)
        if not available(run):
            find_pretrained(run.config, run.path.parent)  # it has to begin once more
        _launch(run, data_dir)
        return run


def assist(runs_dir: Path, *, data_dir: Path) -> None:
    """Train together with the first process, which starts or resumes a run and tells here which; returns at its end."""
    run_id = current().broadcast(None)
    if run_id is None:  # the first has said what is wrong
        return
    run = load_run(runs_dir, run_id)
    try:
        train(SilentWriter(run), data_dir)
    except Exception as error:
        report_failure(readable(error, run, "what it wrote to the terminal"))
        raise


def active() -> Run | None:
    """The run that trains in this process now; not one that has ended, though its thread may still tidy up."""
    if _thread is None or not _thread.is_alive() or (_run is not None and _run.end is not None):
        return None
    return _run


def waiting() -> list[Run]:
    """The runs that wait for their turn, the next one first."""
    with _turns:
        return [turn.writer.run for turn in _waiting]


def stop(run: Run) -> None:
    """Ask a run to save and stop, in whichever process it trains; one that waits here for its turn stops at once.

    Raises RunError where the wish can't be written.
    """
    run.request_stop()
    _dismiss([run], _BEFORE_IT_BEGAN)


def wait(timeout: float | None = None) -> bool:
    """Wait for the background thread; True once it has ended and let go of its runs."""
    if _thread is None:
        return True
    _thread.join(timeout)
    return not _thread.is_alive()


def _usable_device(config: TrainConfig) -> torch.device:
    """The device of `config`. Raises ConfigError where it isn't there, or a batch is too small to be shared out."""
    if config.batch_size < current().count:
        raise ConfigError(f"batch_size: {config.batch_size} images can't be shared out to {current().count} processes.")
    return pick_device(config)


def _refuse_second() -> None:
    running = next(filter(None, [active(), *waiting()]), None)
    if running is not None:
        raise RunLockedError(f"Run {running.id!r} is already training here; stop it before starting another.")
    if not wait(_TIDY_SECONDS):
        raise RunLockedError("The run that has just ended is still being written to disk; try again in a moment.")


def _launch(run: Run, data_dir: Path) -> None:
    """Take the run's lock here, so that a refusal reaches the caller, and hand it to the thread."""
    global _thread, _run, _goes_on
    try:
        writer = RunWriter(run)
    except OSError as error:
        raise RunError(f"Run {run.id!r} can't be written: {error.strerror or error}.") from error
    current().broadcast(run.id)
    turn = Turn(writer, data_dir)
    with _turns:
        if _goes_on:
            with contextlib.suppress(OSError):  # then it looks as if it ran; the lock counts
                writer.report(phase=WAITING, message="Waits for its turn", force=True)
            _waiting.append(turn)
            return
        _run = run
        _thread = threading.Thread(target=_work, args=(turn,), name="train", daemon=True)
        _thread.start()
        _goes_on = True


def _work(turn: Turn | None) -> None:
    """Train this run, then whichever waits."""
    while turn is not None:
        try:
            _train(*turn)
        except Exception:  # not even its end could be written: its folder is as if the process had died
            traceback.print_exc()
        turn = _next_turn()


def _train(writer: RunWriter, data_dir: Path) -> None:
    with device_lock:
        try:
            with writer:
                writer.report(phase="loading", message="Starting", force=True)
                stopped = writer.stop_requested  # perhaps by another process, while it waited
                writer.end(*((RunState.STOPPED, _BEFORE_IT_BEGAN) if stopped else train_to_its_end(writer, data_dir)))
        finally:
            release_worker()


def _next_turn() -> Turn | None:
    """Whose turn it is now; None ends the thread."""
    global _run, _goes_on
    with _turns:
        if not _waiting:
            _goes_on = False
            return None
        turn = _waiting.pop(0)
        _run = turn.writer.run
        return turn


def _dismiss(runs: list[Run], reason: str) -> None:
    """End those of `runs` that wait for their turn."""
    with _turns:
        dismissed = [turn for turn in _waiting if turn.writer.run in runs]
        for turn in dismissed:
            _waiting.remove(turn)
    for turn in dismissed:
        with turn.writer, contextlib.suppress(OSError):  # then it is as if the process had died
            turn.writer.end(RunState.STOPPED, reason)


def _environment(config: TrainConfig, device: torch.device) -> dict[str, object]:
    name, precision = describe(config, device)
    return {
        "device": name,
        "processes": current().count,
        "precision": precision,
        "cpu_cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "started": time.time(),
    }


@atexit.register
def _shut_down() -> None:
    """A server that ends lets its run save first: the thread is a daemon and would be cut off."""
    _dismiss(waiting(), "The program that would have trained it ended before its turn came.")
    run = active()
    if run is not None:
        try:
            run.request_stop()
        except RunError:  # where no wish can be written, no weights could be either
            return
    wait(_SHUTDOWN_SECONDS)
