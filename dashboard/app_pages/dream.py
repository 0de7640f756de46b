"""What does a channel or a class look for? A picture climbs from noise to what raises it most."""

import io

import streamlit as st
from PIL import Image

from core.errors import CoreError
from core.export.html import data_url
from core.inspection.maximization import Channel, Goal
from core.runs.checkpoints import Checkpoint
from dashboard import cache, experiments
from dashboard.components.climbing import WIDTH, climb, reached
from dashboard.components.goal_picker import effort_picker, goal_picker
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen
from dashboard.markdown import plain


def show(checkpoint: Checkpoint, goal: Goal, picture: Image.Image, name: str, is_whole: bool) -> None:
    """The picture, how far it meets the goal, and what test images reach."""
    left, right = st.columns([3, 2])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    left.image(data_url(buffer.getvalue(), "image/png"), width=WIDTH, alt=f"A picture that raises {name}")
    with right:
        strength = experiments.strength(checkpoint, goal, picture)
        what = "mean activation" if isinstance(goal, Channel) else "log-odds"
        about = None if isinstance(goal, Channel) else "log(p / (1 - p)) of its probability p: 0 at one half."
        st.metric(f"{plain(name)}, {what}", f"{strength:.3g}", help=about)
        if is_whole:
            compare(checkpoint, goal)
        (label, probability), *_ = cache.predictions(checkpoint, [Chosen(name, picture)])[0].top(1)
        st.caption(f"The network takes the picture for: **{plain(label)}**, {probability:.1%}.")
        st.download_button(
            "Download as PNG", buffer.getvalue(), f"{checkpoint.run.id} {name}.png", "image/png",
            icon=":material/download:", key="download_dream", on_click="ignore",
        )  # fmt: skip


def compare(checkpoint: Checkpoint, goal: Goal) -> None:
    try:
        usual = experiments.usual_strength(checkpoint, goal)
    except CoreError as error:
        st.caption(f"No test images to compare with. {plain(error)}")
        return
    st.caption(f"{len(usual)} test images: {usual.mean():.3g} on average, {usual.max():.3g} at most.")


st.title("What it looks for")
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
goal = goal_picker(checkpoint)
seed, steps = effort_picker()
name = f"{goal.layer} channel {goal.channel}" if isinstance(goal, Channel) else checkpoint.class_names[goal.index]
place = st.empty()
pressed = place.button("Let it climb from noise", icon=":material/landscape:", type="primary", key="climb")
st.caption(
    f"Seeks a picture that raises {plain(name)}, step by step up the gradient, at the resolution it was trained on."
)
if pressed:
    place.button("Cancel", icon=":material/cancel:", key="cancel_climb")
    climb(checkpoint, goal, seed, steps)
try:
    found = experiments.dream(checkpoint, goal, seed, steps)
    kept = reached(checkpoint, goal, seed, steps)
    if found is not None:
        show(checkpoint, goal, found, name, is_whole=True)
    elif kept is not None:
        st.caption(f"Cancelled after {kept[0]} of {steps} steps.")
        show(checkpoint, goal, Image.fromarray(kept[1]), name, is_whole=False)
except CoreError as error:
    error_box(error)
