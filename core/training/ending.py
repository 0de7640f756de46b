"""How a training ends: every error becomes a sentence on the run."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

import torch
from safetensors import SafetensorError

from core.errors import CoreError, StopRequested
from core.runs.run import Run, RunState
from core.runs.writer import RunWriter
from core.training.device import out_of_memory
from core.training.distributed import reported_failure
from core.training.loop import train

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, *((112,) if os.name == "nt" else ()))  # so says safetensors on Windows


def train_to_its_end(writer: RunWriter, data_dir: Path) -> tuple[RunState, str]:
    """Train the writer's run; how that ended, and why: a sentence for the user, "" where all went as planned."""
    try:
        state, reason = train(writer, data_dir), ""
    except StopRequested as request:
        state, reason = RunState.STOPPED, str(request)
    except CoreError as error:
        return RunState.FAILED, str(error)
    except Exception as error:
        writer.append_log(traceback.format_exc())
        state, reason = RunState.FAILED, readable(error, writer.run, f"{writer.run.id}/run.log")
    elsewhere = None if state is RunState.FINISHED else reported_failure()
    return (RunState.FAILED, elsewhere) if elsewhere else (state, reason)


def readable(error: Exception, run: Run, log: str) -> str:
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
