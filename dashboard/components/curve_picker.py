"""How to draw the curves of a training: over what, and how smooth; the same wherever they are drawn."""

import streamlit as st

from dashboard import state
from dashboard.charts import X_AXES, Look


def pick_look() -> Look:
    """Over what, how smooth, and the loss on which scale."""
    name = st.segmented_control(
        "Horizontal axis", list(X_AXES), default="Step", required=True, key=state.X_AXIS, persist_state="session"
    )
    smoothing = st.slider(
        "Smoothing", 0.0, 0.99, 0.6, 0.01, key=state.SMOOTHING, persist_state="session", width=200,
        help="Exponential moving average of the training curves.",
    )  # fmt: skip
    log_loss = st.toggle("Loss on a log scale", key=state.LOG_LOSS, persist_state="session")
    return Look(X_AXES[name], smoothing, log_loss)
