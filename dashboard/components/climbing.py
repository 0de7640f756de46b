"""The climb of a picture towards its goal, drawn as it goes; what it has reached stays where it is cut short."""

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import CoreError
from core.inspection.maximization import Goal
from core.runs.checkpoints import Checkpoint
from dashboard import experiments, state
from dashboard.components.status import error_box
from dashboard.images import png_url

WIDTH = 454  # pixels
_DRAWN_EVERY = 8  # steps


def climb(checkpoint: Checkpoint, goal: Goal, seed: int, steps: int) -> None:
    """Draws while it works. Any click ends it here: Streamlit raises out of the next drawing."""
    bar, canvas = st.progress(0.0, "Starting from noise"), st.empty()

    def on_step(done: int, total: int, pixels: np.ndarray) -> None:
        st.session_state[state.DREAM] = (checkpoint.fingerprint, goal, seed, steps), done, pixels
        bar.progress(done / total, f"Step {done} of {total}")
        if done % _DRAWN_EVERY == 0:
            canvas.image(png_url(Image.fromarray(pixels)), width=WIDTH, alt=f"The picture after {done} steps")

    try:
        experiments.compute_dream(checkpoint, goal, seed, steps, on_step)
    except CoreError as error:
        error_box(error)
        return
    st.rerun()


def reached(checkpoint: Checkpoint, goal: Goal, seed: int, steps: int) -> tuple[int, np.ndarray] | None:
    """Steps done and the picture (uint8, 227 × 227 × 3), where this was the last climb that was begun."""
    kept = st.session_state.get(state.DREAM)
    return kept[1:] if kept is not None and kept[0] == (checkpoint.fingerprint, goal, seed, steps) else None
