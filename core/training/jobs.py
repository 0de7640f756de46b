"""The one background thread of this process that trains."""

from __future__ import annotations

import atexit
import errno
import os
import platform
import threading
import time
import traceback
from pathlib import Path

import torch
from safetensors import SafetensorError

from core.config import TrainConfig
from core.errors import ConfigError, CoreError, RunError, RunLockedError, StopRequested
from core.runs.checkpoints import available
from core.runs.run import Run, RunState, create_run, load_run
from core.runs.writer import RunWriter
from core.training.beginning import find_pretrained, with_its_input
from core.training.device import describe, device_lock, out_of_memory, pick_device, release_memory
from core.training.distributed import SilentWriter, current, report_failure, reported_failure
from core.training.loop import train

_SHUTDOWN_SECONDS = 20.0
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, *((112,) if os.name == "nt" else ()))  # so says safetensors on Windows
_TIDY_SECONDS = 10.0  # from a run's last word to the end of its thread; an instant, but for a disk that is slow to sync
_lock = threading.Lock()
_thread: threading.Thread | None = None
_run: Run | None = None


def start(config: TrainConfig, *, runs_dir: Path, data_dir: Path, run_id: str | None = None) -> Run:
    """Create a run and train it in the background.

    Raises RunLockedError while another run trains in this process, RunError for a bad or taken run_id, ConfigError
    where the device, or the run whose weights it is to begin with, isn't there.
    """
    device = _usable_device(config)
    config = with_its_input(config, find_pretrained(config, runs_dir))
    with _lock:
        _refuse_second()
        run = create_run(runs_dir, config, _environment(config, device), run_id)
        _launch(run, data_dir)
        return run


def resume(run: Run, *, data_dir: Path) -> Run:
    """Go on training a stopped, failed or interrupted run from its last checkpoint.

    Raises RunLockedError while another run trains here or another process writes this one, RunError where there is
    nothing to resume, ConfigError where it has to begin once more and its first weights aren't there.
    """
    with _lock:
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
        report_failure(_readable(error, run, "what it wrote to the terminal"))
        raise


def active() -> Run | None:
    """The run that trains in this process now; not one that has ended, though its thread may still tidy up."""
    if _thread is None or not _thread.is_alive() or (_run is not None and _run.end is not None):
        return None
    return _run


def wait(timeout: float | None = None) -> bool:
    """Wait for the background thread; True once it has ended and let go of its run."""
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
    running = active()
    if running is not None:
        raise RunLockedError(f"Run {running.id!r} is already training here; stop it before starting another.")
    if not wait(_TIDY_SECONDS):
        raise RunLockedError("The run that has just ended is still being written to disk; try again in a moment.")


def _launch(run: Run, data_dir: Path) -> None:
    """Take the run's lock here, so that a refusal reaches the caller, and hand it to the thread."""
    global _thread, _run
    try:
        writer = RunWriter(run)
    except OSError as error:
        raise RunError(f"Run {run.id!r} can't be written: {error.strerror or error}.") from error
    current().broadcast(run.id)
    _run = run
    _thread = threading.Thread(target=_work, args=(writer, data_dir), name=f"train-{run.id}", daemon=True)
    _thread.start()


def _work(writer: RunWriter, data_dir: Path) -> None:
    with device_lock:
        with writer:
            writer.end(*_outcome(writer, data_dir))
        release_memory()


def _outcome(writer: RunWriter, data_dir: Path) -> tuple[RunState, str]:
    """Train; how that ended, and why."""
    try:
        state, reason = train(writer, data_dir), ""
    except StopRequested as request:
        state, reason = RunState.STOPPED, str(request)
    except CoreError as error:
        return RunState.FAILED, str(error)
    except Exception as error:
        writer.append_log(traceback.format_exc())
        state, reason = RunState.FAILED, _readable(error, writer.run, f"{writer.run.id}/run.log")
    elsewhere = None if state is RunState.FINISHED else reported_failure()
    return (RunState.FAILED, elsewhere) if elsewhere else (state, reason)


def _readable(error: Exception, run: Run, log: str) -> str:
    """What to say of any error. log: where its traceback is."""
    if isinstance(error, CoreError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return str(out_of_memory(run.config))
    if isinstance(error, OSError | SafetensorError):
        cause = getattr(error, "strerror", None) or error
        full = any(f"os error {number})" in str(error) or getattr(error, "errno", 0) == number for number in _DISK_FULL)
        advice = "Free some space" if full else "See that its files can be read and written"
        return f"The run could not be written or read: {cause}. {advice}, then resume."
    return f"{type(error).__name__}: {error}. The full traceback is in {log}."


def _environment(config: TrainConfig, device: torch.device) -> dict[str, object]:
    name, precision = describe(config, device)
    return {
        "device": name,
        "processes": current().count,
        "precision": precision,
        "cpu_threads": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "started": time.time(),
    }


@atexit.register
def _shut_down() -> None:
    """A server that ends lets its run save first: the thread is a daemon and would be cut off."""
    run = active()
    if run is not None:
        try:
            run.request_stop()
        except RunError:  # where no wish can be written, no weights could be either
            return
    wait(_SHUTDOWN_SECONDS)
