"""Files to take away: written once for all viewers, on disk, and only the latest few kept."""

import atexit
import contextlib
import hashlib
import shutil
import tempfile
import time
from pathlib import Path

import streamlit as st

from core.errors import CoreError, ExportError
from core.export.request import OF_WEIGHTS, Request, fulfil
from core.model import AlexNet
from core.outcomes import OUTCOMES_FILE
from core.progress import OnProgress
from dashboard import cache, image_sets

_KEPT = 8  # files; the largest take 233 MB each
_SAFE_SECONDS = 600


@st.cache_resource(show_spinner=False)
def folder() -> Path:
    """Holds a folder a file; deleted when the server ends."""
    path = Path(tempfile.mkdtemp(prefix="alexnet-live-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def place(request: Request, pixels: str) -> Path:
    """Where the file of exactly this request lies once it is prepared, whoever asked for it.

    pixels: the fingerprint of its picture. Of a run that is still training the file is good for a minute.
    """
    run, checkpoint = request.run, request.checkpoint
    parts: list[object] = [str(run.path), str(run.environment), request.command()]
    if "image" in request.choices:  # ONNX is only checked with the picture: any will do
        parts.append((request.picture_name, pixels))
    if request.kind in OF_WEIGHTS:
        parts.append(checkpoint and checkpoint.fingerprint)
    if request.kind in ("csv", "tensorboard", "report", "animation"):  # these grow with the run
        state = run.state
        parts.append((state, int(time.time() / 60) if state.is_active else cache.metrics(run).poll()))
    if request.kind == "report":
        parts.append(_judged(request))
    return folder() / hashlib.sha256(repr(parts).encode()).hexdigest()[:16] / request.file_name


def _judged(request: Request) -> tuple[object, ...]:
    """What a report's mistakes depend on besides the weights: the test images here, and the answers kept of them."""
    test = None
    with contextlib.suppress(CoreError):
        test = image_sets.test_fingerprint(request.run)
    outcomes = request.checkpoint and request.checkpoint.derived(OUTCOMES_FILE)
    return test, outcomes and outcomes.is_file() and outcomes.stat().st_mtime_ns


def prepare(request: Request, path: Path, progress: OnProgress) -> None:
    """Write the file to `path`, its `place`. Raises CoreError."""
    checkpoint = request.checkpoint
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"No file can be prepared in {folder()}: {error.strerror}. Free some space there.") from error

    def model() -> AlexNet:
        assert checkpoint is not None  # fulfil asks for it where there is one
        return cache.network(checkpoint)

    fulfil(request, path, model=model, images=lambda: image_sets.test_images(request.run), progress=progress)
    _forget_old_ones()


def _forget_old_ones() -> None:
    """All but the latest few, and none that is so young that somebody may be about to download it."""
    made = []
    for entry in folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # another viewer's turn came first
            made.append((entry.stat().st_mtime, entry))
    for when, entry in sorted(made, reverse=True)[_KEPT:]:
        if when < time.time() - _SAFE_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
