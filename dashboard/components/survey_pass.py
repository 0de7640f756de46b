"""A pass over all test images, with its progress and a way out of it."""

import time
from collections.abc import Callable

import streamlit as st

from core.errors import CoreError
from core.runs.checkpoints import Checkpoint
from core.wording import duration
from dashboard.components.status import error_box


def survey_pass(
    compute: Callable[[Checkpoint, Callable[[int], object]], None],
    checkpoint: Checkpoint,
    total: int,
    page: str,
    stay: str,
) -> None:
    """Let `compute` look at all `total` images, then draw the page anew.

    page: its file, to which Cancel leads. stay: what stops it.
    """
    bar = st.progress(0.0, "Starting")
    with st.container(horizontal=True, vertical_alignment="center"):
        # A link, for a button of a fragment would wait until the fragment is done.
        st.page_link(
            page, label="Cancel", icon=":material/cancel:", width="content", query_params=st.query_params.to_dict()
        )
        st.caption(stay, width="content")
    heard: list[tuple[float, int]] = []  # may begin in the middle: another viewer's pass is watched, not repeated

    def on_batch(done: int) -> None:
        if heard and done < heard[-1][1]:  # that pass was given up, and this one begins anew
            heard.clear()
        heard.append((time.monotonic(), done))
        seconds, images = heard[-1][0] - heard[0][0], done - heard[0][1]
        left = f" · about {duration(seconds / images * (total - done))} left" if images else ""
        words = f"{done:,} of {total:,} images{left}" if done < total else "All images seen; some seconds more"
        bar.progress(done / total, words)

    try:
        compute(checkpoint, on_batch)
    except CoreError as error:
        error_box(error)
        return
    st.rerun()
