"""Why the images of a run's data are not shown, and the way to them."""

import streamlit as st

from core.config import TrainConfig
from core.data.sources import fetch_images
from core.errors import CoreError, DataMissingError
from core.paths import data_dir
from dashboard.components.status import STAY, error_box
from dashboard.markdown import plain


def missing_images(config: TrainConfig, problem: CoreError, meanwhile: str = "") -> None:
    """The problem; where the images were never on this computer, what is shown until then, and a button to get them.

    Not for a fragment: a click on Cancel would wait until the fragment is done.
    """
    if not isinstance(problem, DataMissingError):
        error_box(problem)
        return
    st.info(f"{plain(problem)} {meanwhile}".rstrip(), icon=":material/photo_library:")
    if st.button("Download CIFAR-10 now (170 MB)", icon=":material/download:", key="fetch_images"):
        _fetch(config)


def _fetch(config: TrainConfig) -> None:
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, "Starting")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Cancel", icon=":material/cancel:", key="cancel_fetch")
            st.caption(STAY, width="content")

    def progress(done: int, total: int, message: str) -> None:
        bar.progress(min(done / total, 1.0) if total else 0.0, message)

    try:
        fetch_images(config, data_dir=data_dir(), progress=progress)
    except CoreError as error:
        place.empty()
        error_box(error)
        return
    st.rerun()
