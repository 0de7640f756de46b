"""The metrics stream: one JSON object a line, append only; read with a cursor, never from the start again."""

from __future__ import annotations

import json
import threading
import zlib
from array import array
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

STEP_COLUMNS = (
    "step", "epoch", "seconds", "loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second"
)  # fmt: skip
_CRC = b',"crc32":"'


def encode(record: dict[str, Any]) -> bytes:
    """One line: `record` as strict JSON, closed by the crc32 of all that stands before it."""
    body = json.dumps(record, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()[:-1]
    return body + _CRC + f'{zlib.crc32(body):08x}"}}\n'.encode()


def decode(line: bytes) -> dict[str, Any] | None:
    """The record of one line; None where the line is damaged."""
    body, mark, tail = line.rstrip(b"\n").rpartition(_CRC)
    if not mark or tail != f'{zlib.crc32(body):08x}"}}'.encode():
        return None
    record: dict[str, Any] = json.loads(body + b"}")
    return record


class RateChange(NamedTuple):
    """After `step` steps somebody made the learning rate `factor` times the schedule's."""

    step: int
    factor: float


def with_change(changes: list[RateChange], new: RateChange) -> list[RateChange]:
    """A change takes the place of those that an earlier attempt made later: their steps are done anew."""
    return [*(change for change in changes if change.step < new.step), new]


def segment_paths(run_path: Path) -> list[Path]:
    """metrics-0001.jsonl, one per attempt, in order."""
    found = run_path.glob("metrics-[0-9][0-9][0-9][0-9].jsonl")
    return sorted(path for path in found if path.is_file())


class MetricsReader:
    """What a run has logged until it is made, and with each `poll` what is new since; safe to share between threads.

    damaged counts lines that failed their check and were skipped. version grows whenever anything changed.
    """

    def __init__(self, run_path: Path) -> None:
        self._run_path = run_path
        self._lock = threading.Lock()
        self.version = 0
        self._reset()
        self.poll()

    def _reset(self) -> None:
        self._places: dict[str, tuple[int, int]] = {}  # of each segment: its inode, the bytes taken in
        self._steps = {name: array("d") for name in STEP_COLUMNS}
        self._epochs: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._rate_changes: list[RateChange] = []
        self.damaged = 0

    def poll(self) -> int:
        """Take in new lines; the version after that."""
        with self._lock:
            for path in segment_paths(self._run_path):
                self._read(path)
            return self.version

    def steps(self, *names: str) -> dict[str, np.ndarray]:
        """A float64 array per column of STEP_COLUMNS, or of those that are named; ordered by step, equally long.

        NaN stands where a step has no such number: older runs know no gradient_norm.
        """
        with self._lock:
            return {name: np.array(self._steps[name]) for name in names or STEP_COLUMNS}

    def recent(self, name: str, count: int) -> np.ndarray:
        """The last `count` values of one column of STEP_COLUMNS."""
        with self._lock:
            return np.array(self._steps[name][-count:])

    def epochs(self) -> list[dict[str, Any]]:
        """One record an epoch: losses, accuracies, per-class accuracy, confusion matrix."""
        with self._lock:
            return list(self._epochs)

    def events(self) -> list[dict[str, Any]]:
        """Starts, changes of the learning rate, test results, ends."""
        with self._lock:
            return list(self._events)

    def rate_changes(self) -> list[RateChange]:
        """How somebody changed the learning rate by hand, in order of the steps."""
        with self._lock:
            return list(self._rate_changes)

    def _read(self, path: Path) -> None:
        try:
            status = path.stat()
        except FileNotFoundError:  # the run is being deleted
            return
        inode, offset = self._places.get(path.name, (status.st_ino, 0))
        if inode != status.st_ino or status.st_size < offset:  # deleted, and another run took its name
            self._reset()
            offset = 0
        if status.st_size <= offset:
            return
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]  # an unfinished last line is not there yet
        for line in whole.splitlines():
            record = decode(line)
            if record is None:
                self.damaged += 1
            else:
                self._take(record)
        if whole:
            self._places[path.name] = status.st_ino, offset + len(whole)
            self.version += 1

    def _take(self, record: dict[str, Any]) -> None:
        kind = record.get("kind")
        if kind == "step":
            steps = self._steps["step"]
            if steps and record.get("step", 0) <= steps[-1]:  # the line that said that a resume began is damaged
                self._forget_after(record.get("step", 0) - 1)
            for name, column in self._steps.items():
                value = record.get(name)
                column.append(float("nan") if value is None else value)
        elif kind == "epoch":
            while self._epochs and self._epochs[-1]["step"] >= record["step"]:  # an earlier attempt ended it as well
                self._epochs.pop()
            self._epochs.append(record)
        elif kind == "event":
            self._events.append(record)
            if record.get("event") == "start":
                self._forget_after(record.get("step", 0))
            elif record.get("event") == "learning rate":
                change = RateChange(record["step"], record["factor"])
                self._rate_changes = with_change(self._rate_changes, change)

    def _forget_after(self, step: int) -> None:
        """A resumed attempt repeats the steps after its checkpoint: the earlier attempt's are dropped."""
        steps = self._steps["step"]
        keep = len(steps)
        while keep and steps[keep - 1] > step:
            keep -= 1
        for column in self._steps.values():
            del column[keep:]
        self._epochs = [record for record in self._epochs if record["step"] <= step]
