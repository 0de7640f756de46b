"""A run is a folder. Here it is found, named and described; `writer.py` is the only way to change one."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.config import TrainConfig, read_config
from core.errors import ConfigError, RunError
from core.files import new_folder, read_json, write_json
from core.runs.names import RUN_ID, check_new_run_id, check_run_id, new_run_id
from core.runs.progress import WAITING, Progress

STALLED_AFTER_SECONDS = 60.0
LEARNING_RATE_FACTORS = (0.001, 1000.0)  # the least and the greatest
_FRESH_SECONDS = 5.0  # a writer reports every second
_probe = threading.Lock()


class RunState(StrEnum):
    """What a run is doing; derived on reading, never stored as running."""

    WAITING = "waiting"
    RUNNING = "running"
    STALLED = "stalled"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_active(self) -> bool:
        """Whether a writer holds the run."""
        return self in (RunState.WAITING, RunState.RUNNING, RunState.STALLED)

    @property
    def can_resume(self) -> bool:
        return self in (RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED)


@dataclass(frozen=True)
class Run:
    """A handle on `<runs_dir>/<run_id>/`. Every property reads the disk; nothing is kept."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def config(self) -> TrainConfig:
        """The settings that the run was started with. Raises RunError where they can't be read."""
        try:
            return read_config(self._record()["config"])
        except ConfigError as error:
            raise RunError(f"The config.json of run {self.id!r} can't be used: {error}") from error

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device, thread count and start time, as written at the start."""
        environment = self._record().get("environment")
        return environment if isinstance(environment, dict) else {}

    @property
    def is_packed(self) -> bool:
        """Whether `core.runs.pack` made it: trained elsewhere, small enough to travel, none of this user's own runs."""
        return isinstance((read_json(self.path / "config.json") or {}).get("packed"), dict)

    @property
    def data_name(self) -> str:
        """Its images by name: a packed run may have been trained on a copy of those that its settings name."""
        packed = self._record().get("packed")
        is_copy = isinstance(packed, dict) and packed.get("data_source", self.config.data_source) == "folder"
        return f"a copy of {self.config.data_name}" if is_copy else self.config.data_name

    @property
    def is_readable(self) -> bool:
        """Whether its settings can be read; a damaged run must not hide the others."""
        try:
            return bool(self.config)
        except RunError:
            return False

    def _record(self) -> dict[str, Any]:
        record = read_json(self.path / "config.json")
        if record is None or not isinstance(record.get("config"), dict):
            raise RunError(f"Run {self.id!r} has no readable config.json; delete its folder or restore the file.")
        return record

    @property
    def data(self) -> dict[str, Any]:
        """The data set as loaded: counts, class_names, fingerprints, synthetic, notes. Empty until then."""
        return read_json(self.path / "data.json") or {}

    @property
    def end(self) -> dict[str, Any] | None:
        """state, reason and time of the end; None while there is none."""
        return read_json(self.path / "end.json")

    @property
    def progress(self) -> Progress:
        return Progress.from_json(read_json(self.path / "progress.json") or {})

    @property
    def computed_on(self) -> tuple[str, str]:
        """Device, with its threads, and precision: of the latest attempt, else as planned; "" where unknown."""
        now, planned = self.progress, self.environment
        return now.device or planned.get("device", ""), now.precision or planned.get("precision", "")

    @property
    def state(self) -> RunState:
        """end.json decides; without it, a held lock means running, a free one that the writer died."""
        if end := self._end_state:
            return end
        progress = self.progress
        silence = time.time() - progress.heartbeat  # seconds
        if not self._is_locked(silence):
            return self._end_state or RunState.INTERRUPTED  # it may have ended since the first look
        if progress.phase == WAITING:
            return RunState.WAITING
        return RunState.STALLED if progress.heartbeat > 0 and silence > STALLED_AFTER_SECONDS else RunState.RUNNING

    @property
    def _end_state(self) -> RunState | None:
        state = (self.end or {}).get("state")
        return RunState(state) if state in ("finished", "stopped", "failed") else None

    @property
    def writer(self) -> dict[str, Any]:
        """pid, host and start time of the last writer, for messages only."""
        return read_json(self.path / "writer.json") or {}

    def request_stop(self) -> None:
        """Ask the writer, in whichever process it is, to save and stop; it looks at every step. Raises RunError."""
        try:
            (self.path / "control.json").touch()  # an empty file: a full disk still takes it
        except FileNotFoundError:  # the folder was deleted: nothing is left to stop
            pass
        except OSError as error:
            raise RunError(
                f"Run {self.id!r} can't be stopped from here, for {self.path} can't be written: {error.strerror}. "
                "See that you may write there, or end the process that trains it."
            ) from error

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked the writer to stop and it has not answered yet."""
        return (self.path / "control.json").exists()

    def request_learning_rate_factor(self, factor: float) -> None:
        """Ask the writer to take `factor` times the schedule's learning rate from its next step on, or when it resumes.

        Raises RunError for a factor beyond LEARNING_RATE_FACTORS, or where the wish can't be written.
        """
        least, greatest = LEARNING_RATE_FACTORS
        if not least <= factor <= greatest:
            raise RunError(f"The learning rate can be multiplied by {least:g} to {greatest:g}, not by {factor:g}.")
        try:
            write_json(self.path / "learning_rate.json", {"factor": factor})
        except OSError as error:
            raise RunError(f"The learning rate of run {self.id!r} stays: {self.path}: {error.strerror}.") from error

    @property
    def learning_rate_factor(self) -> float | None:
        """The latest that somebody asked for; None where nobody did."""
        factor = (read_json(self.path / "learning_rate.json") or {}).get("factor")
        least, greatest = LEARNING_RATE_FACTORS
        return float(factor) if isinstance(factor, int | float) and least <= factor <= greatest else None

    def lock(self) -> FileLock:
        """The run's lock, not taken. flock on Unix: the kernel frees it when its holder dies."""
        return FileLock(self.path / "run.lock", thread_local=False)

    def _is_locked(self, silence: float) -> bool:
        """Whether a writer holds the lock, and not just somebody who looks, as is done here.

        silence: seconds since the heartbeat. Shortly after one, the lock's holder is taken for the writer at once.
        """
        if not (self.path / "run.lock").exists():
            return False
        for look in range(1 if silence < _FRESH_SECONDS else 3):
            if look:
                time.sleep(0.002)  # another process's probe lets go within this
            with _probe:  # two probes in one process must not take each other for a writer
                try:
                    with self.lock().acquire(timeout=0):
                        return False
                except Timeout:
                    pass
                except OSError:  # a folder that we may only read: its heartbeat has to do
                    return silence < STALLED_AFTER_SECONDS
        return True


def create_run(runs_dir: Path, config: TrainConfig, environment: dict[str, Any], run_id: str | None = None) -> Run:
    """A new run folder holding its config. Raises RunError for a bad or taken name, or where it can't be written."""
    run_id = check_run_id(run_id) if run_id is not None else new_run_id(runs_dir, config)
    path = runs_dir / run_id
    try:
        with new_folder(path) as folder:
            write_json(folder / "config.json", {"config": config.to_json(), "environment": environment})
    except OSError as error:
        check_new_run_id(runs_dir, run_id)
        raise RunError(f"Run {run_id!r} can't be written in {runs_dir}: {error.strerror}.") from error
    return Run(path)


def load_run(runs_dir: Path | str, run_id: str) -> Run:
    """The run of that name. Raises RunError where there is none."""
    path = Path(runs_dir) / check_run_id(run_id)
    if not _is_run(path):
        raise RunError(f"There is no run {run_id!r} in {runs_dir}.")
    return Run(path)


def list_runs(runs_dir: Path | str) -> list[Run]:
    """All runs, the newest first, packed ones after the user's own. A folder that isn't a run is left out."""
    root = Path(runs_dir)
    if not root.is_dir():
        return []
    found = []
    for path in root.iterdir():
        if RUN_ID.fullmatch(path.name) and _is_run(path):
            with contextlib.suppress(FileNotFoundError):  # deleted just now
                since, run = (path / "config.json").stat().st_mtime, Run(path)
                found.append((not run.is_packed, since, run))  # a packed one is as new as the checkout that brought it
    return [run for *_, run in sorted(found, key=lambda ranked: ranked[:2], reverse=True)]


def _is_run(path: Path) -> bool:
    try:
        return not path.is_symlink() and (path / "config.json").is_file()
    except OSError:  # a folder that is closed to this user
        return False
