"""The images of the page Mistakes: which of them to see, and they themselves."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import streamlit as st

from core.history import Group
from dashboard import links, state
from dashboard.components.judged import Judged
from dashboard.components.thumbnails import thumbnails

_HEIGHT = 470  # pixels: the gallery scrolls, so that the chosen image stays in sight

_GROUPS = """**forgotten**: wrong at the end, though correct before; those correct longest first.
**never learnt**: never correct; the greatest loss first.
**learnt last**: correct at the end; those that became so last first.
**unstable**: forgotten at least once; those forgotten most often first."""


def pick_group() -> Group:
    """Which of the images to see that were learnt and forgotten."""
    groups = get_args(Group)
    links.check_link(state.GROUP, groups, "group of images")
    group: Group = st.segmented_control(
        "Images that were", groups, default="forgotten", required=True, key=state.GROUP, bind="query-params",
        on_change=state.first_page, help=_GROUPS.replace("\n", "  \n"),
    )  # fmt: skip
    return group


def gallery(
    judged: Judged,
    positions: np.ndarray,
    captions: Sequence[str],
    *,
    selected: int,
    alt: str,
    correct: np.ndarray | None = None,
) -> None:
    """Draw the images at `positions`; a click chooses one. Where they can't be had, their numbers.

    correct: as in `thumbnails`.
    """
    numbers = positions.tolist()
    if not numbers:
        st.caption("No image is among them.")
        return
    if judged.images is None:
        listed = ", ".join(map(str, numbers))
        st.caption(f"Without the pictures, enter one of these numbers to see what the network said: {listed}")
        return
    if correct is not None:
        st.caption(
            "The strip under each image has a field for each kept epoch: green where the answer was right, orange "
            "where it was wrong."
        )
    with st.container(height=_HEIGHT):
        thumbnails(
            judged.images, judged.fingerprint, positions, captions, selected=selected, choice=judged.key,
            noun=f"{judged.name} image", key=state.GALLERY, alt=alt, correct=correct,
        )  # fmt: skip
