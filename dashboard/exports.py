"""Files to take away: written once for all viewers, on disk, and only the latest few kept."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import streamlit as st

from core.data.images import Progress
from core.export.request import OF_WEIGHTS, Request, fulfil
from core.model import AlexNet
from dashboard import cache

_KEPT = 8  # files; the largest take 233 MB each


@st.cache_resource(show_spinner=False)
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Emptied when the server ends."""
    return tempfile.TemporaryDirectory(prefix="alexnet-live-")


def place(request: Request) -> Path:
    """Where the file of exactly this request lies once it is prepared, whoever asked for it."""
    run, checkpoint, picture = request.run, request.checkpoint, request.picture
    parts: list[object] = [
        request.command(),
        request.picture_name,
        None if picture is None else (picture.size, picture.tobytes()),
    ]
    parts.append(checkpoint.fingerprint if checkpoint and request.kind in OF_WEIGHTS else None)
    if request.kind in ("csv", "tensorboard", "report", "animation"):  # these grow with the run
        parts.append((cache.metrics(run.path).poll(), run.state))
    digest = hashlib.sha256(repr([str(run.path), *parts]).encode()).hexdigest()
    return Path(_folder().name) / digest[:16] / request.file_name


def prepare(request: Request, progress: Progress) -> None:
    """Write the file to its `place`. Raises CoreError."""
    path, checkpoint = place(request), request.checkpoint
    path.parent.mkdir(exist_ok=True)

    def model() -> AlexNet:
        assert checkpoint is not None  # fulfil asks for it where there is one
        return cache._model(checkpoint.fingerprint, checkpoint)

    fulfil(request, path, model=model, images=lambda: cache.test_images(request.run.config), progress=progress)
    folders = sorted(Path(_folder().name).iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
