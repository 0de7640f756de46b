"""Change the picture: sliders and switches, and back to how it was."""

from typing import Any

import streamlit as st

from core.data.edits import LIMITS, Edits
from dashboard import links, state

_LABELS = {
    "shift_x": "Shift right, %",
    "shift_y": "Shift down, %",
    "rotate": "Rotate, degrees",
    "cover_size": "Cover a square, % of the side",
    "cover_x": "Cover further right, %",
    "cover_y": "Cover further down, %",
    "hue": "Turn hue, degrees",
    "brightness": "Brightness, ± %",
    "contrast": "Contrast, ± %",
}
_SWITCHES = {"mirror": "Mirror", "grey": "Greyscale"}


def picture_edits() -> Edits:
    """What is to be changed; nothing at first."""
    chosen: dict[str, Any] = {}
    with st.grid(3, min_column_width=140):
        for name, label in _LABELS.items():
            low, high = LIMITS[name]
            key = state.edit(name)
            links.check_link(key, range(low, high + 1), label)
            chosen[name] = st.slider(label, low, high, 0, key=key, bind="query-params")
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, label in _SWITCHES.items():
            chosen[name] = st.toggle(label, key=state.edit(name), bind="query-params")
        st.button("Reset the picture", icon=":material/restart_alt:", key="reset_picture", on_click=_reset)
    return Edits(**chosen)


def _reset() -> None:
    for name in _LABELS:
        state.choose(state.edit(name), 0)
    for name in _SWITCHES:
        state.choose(state.edit(name), False)
