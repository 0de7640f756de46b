"""A card that prepares one file and hands it over."""

import streamlit as st

from core.errors import CoreError
from core.export.request import Request
from dashboard import exports
from dashboard.components.status import error_box
from dashboard.paths import ROOT, runs_dir


def export_card(request: Request, which: str) -> None:
    """Prepare, then download, and the command that does the same."""
    path, key = exports.place(request), f"export_{request.kind}"
    if path.is_file():
        st.download_button(
            f"Download {_size(path.stat().st_size)}", path.read_bytes, path.name, key=f"{key}_download", type="primary",
            icon=":material/download:",
        )  # fmt: skip
    elif st.button("Prepare", key=key, icon=":material/package_2:"):
        _prepare(request)
    st.code(_command(request, which), language=None, wrap_lines=True)


def _prepare(request: Request) -> None:
    bar = st.progress(0.0, "Starting")
    try:
        exports.prepare(request, lambda done, total, text: _advance(bar, done, total, text))
    except CoreError as error:
        bar.empty()
        error_box(error)
        return
    st.rerun(scope="fragment")


def _advance(bar: st.delta_generator.DeltaGenerator, done: int, total: int, text: str) -> None:
    bar.progress(done / max(total, 1), text)


def _command(request: Request, which: str) -> str:
    """As it is typed in the project's folder."""
    folder = runs_dir()
    return request.command(which, folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 100_000 else f"{num_bytes / 1e3:,.1f} kB"
