"""RunWriter: the one hand that changes a run folder, proven by the lock it holds."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any

from filelock import Timeout

from core.errors import RunError, RunLockedError
from core.files import remove, remove_leftovers, write_json, write_json_quickly
from core.runs.metrics import MetricsReader, RateChange, encode, segment_paths
from core.runs.progress import Progress
from core.runs.run import Run, RunState

_LOCK_SECONDS = 1.0  # a reader's probe holds the lock for an instant; a writer's hold lasts
_SYNC_SECONDS = 1.0
_PROGRESS_SECONDS = 1.0


class RunWriter:
    """Opens `run` for writing: takes its lock, begins a new metrics segment, clears an earlier end.

    Raises RunLockedError where another writer has it, RunError where it was deleted. Use as a context manager; closing
    frees the lock.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = run.lock()
        try:
            self._lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            owner = run.writer
            raise RunLockedError(
                f"Run {run.id!r} is already being written by process {owner.get('pid', '?')} on "
                f"{owner.get('host', '?')}; stop it there first."
            ) from None
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        run = self.run
        if not run.is_readable:
            raise RunError(f"Run {run.id!r} has no readable settings any more: it may have been deleted.")
        now = time.time()
        write_json(run.path / "writer.json", {"pid": os.getpid(), "host": platform.node(), "since": now})
        remove_leftovers(run.path)
        for name in ("end.json", "control.json"):
            remove(run.path / name)
        self._synced = self._reported = 0.0
        self.progress = replace(run.progress.without_pace(), phase="loading")
        self.test_accuracy: float | None = None
        self.report(message="Starting", force=True)
        self.attempt = len(segment_paths(run.path)) + 1
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        self._metrics = os.open(run.path / f"metrics-{self.attempt:04}.jsonl", flags, 0o666)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sync the metrics and let the run go. Safe to call twice."""
        if self._metrics >= 0:
            try:
                os.fsync(self._metrics)
            finally:  # whatever the disk says, the run must not stay locked
                os.close(self._metrics)
                self._metrics = -1
                self._lock.release()

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked this run to stop (`Run.request_stop`)."""
        return self.run.stop_requested

    @property
    def learning_rate_factor(self) -> float:
        """The latest that someone asked for (`Run.request_learning_rate_factor`); 0 where nobody did."""
        return self.run.learning_rate_factor or 0.0

    def rate_changes(self) -> list[RateChange]:
        """How the learning rate was changed in earlier attempts."""
        return MetricsReader(self.run.path).rate_changes()

    def log(self, kind: str, **fields: Any) -> None:
        """Append one record to the metrics, visible to readers at once and on disk within about a second."""
        line = encode({"kind": kind, **fields})
        while line:  # a full disk can take part of a line
            line = line[os.write(self._metrics, line) :]
        now = time.monotonic()
        if now - self._synced >= _SYNC_SECONDS:
            os.fsync(self._metrics)
            self._synced = now

    def report(self, *, force: bool = False, **fields: Any) -> None:
        """Update progress.json with `fields` of Progress; written at most once a second unless forced."""
        self.progress = Progress(**{**asdict(self.progress), **fields, "heartbeat": time.time()})
        now = time.monotonic()
        if force or now - self._reported >= _PROGRESS_SECONDS:
            write_json_quickly(self.run.path / "progress.json", asdict(self.progress))
            self._reported = now

    def write_data(self, content: dict[str, Any]) -> None:
        """Record what was loaded."""
        write_json(self.run.path / "data.json", content)

    def end(self, state: RunState, reason: str = "") -> None:
        """The last word on this attempt: finished, stopped or failed."""
        with contextlib.suppress(OSError):  # on a full disk the smallest file may still fit
            self.report(force=True)
            self.log("event", event="end", state=state.value, reason=reason)
        content = {"state": state.value, "reason": reason, "at": time.time(), "test_accuracy": self.test_accuracy}
        write_json(self.run.path / "end.json", content)

    def append_log(self, text: str) -> None:
        """Add `text` (a traceback) to run.log."""
        with contextlib.suppress(OSError), (self.run.path / "run.log").open("a", encoding="utf-8") as file:
            file.write(text)
