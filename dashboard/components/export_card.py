"""A card that prepares one file and hands it over."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import CoreError
from core.export.request import Request
from core.paths import ROOT, runs_dir
from core.wording import file_size
from dashboard import exports
from dashboard.components.status import error_box


def export_card(request: Request, pixels: str) -> None:
    """Prepare, then download, and the command that does the same. pixels: the fingerprint of the request's picture."""
    key = f"export_{request.kind}"
    try:
        path = exports.place(request, pixels)
    except CoreError as error:  # the run may have been deleted since the page was drawn
        error_box(error)
        return
    button, bar = st.empty(), st.empty()
    if not path.is_file() and button.button("Prepare", key=key, icon=":material/package_2:"):
        try:
            exports.prepare(request, path, lambda done, total, text: _advance(bar, done, total, text))
        except CoreError as error:
            error_box(error)
        bar.empty()
    if size := _size(path):
        button.download_button(
            f"Download {file_size(size)}", path.read_bytes, path.name, key=f"{key}_download",
            type="primary", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    st.code(_command(request), language=None, wrap_lines=True)


def _size(path: Path) -> int:
    """In bytes; 0 where it isn't there, or was cleared away just now."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _advance(bar: DeltaGenerator, done: int, total: int, text: str) -> None:
    bar.progress(done / max(total, 1), text)


def _command(request: Request) -> str:
    """As it is typed in the project's folder."""
    folder = runs_dir()
    return request.command(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
