"""The test images whose feature maps the next run is to keep, chosen on any page."""

import streamlit as st

from dashboard.state import PINS


def pinned(data: str) -> tuple[int, ...]:
    """The numbers of the pinned test images of a data set (TrainConfig.data_key)."""
    numbers: tuple[int, ...] = st.session_state.get(PINS, {}).get(data, ())
    return numbers


def turn(data: str, number: int, most: int) -> None:
    """Pin this test image or let go of it; of more than `most` the first gives way."""
    others = tuple(pin for pin in pinned(data) if pin != number)
    now = others if number in pinned(data) else (*others, number)[-most:]
    st.session_state[PINS] = st.session_state.get(PINS, {}) | {data: now}
