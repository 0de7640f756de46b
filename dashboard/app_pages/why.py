"""Which pixels speak for a class: four answers side by side."""

import streamlit as st

from core.errors import CoreError
from core.inspection.attribution import METHODS
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, charts, links, state
from dashboard.components.attribution import show_attribution
from dashboard.components.image_picker import image_picker
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen, jpeg_url
from dashboard.markdown import plain

_TOP = 5


def pick_target(prediction: Prediction) -> int:
    """The number of the class to explain; the predicted one until the user chooses."""
    names = [name for name, _ in prediction.top(len(prediction.class_names))]  # the address leaves out the first
    links.check_link(state.TARGET, names, "class")
    state.keep_valid(state.TARGET, names, prediction.label)
    links.follow_default(state.TARGET, prediction.label)
    name = st.selectbox(
        "Class to explain", names, key=state.TARGET, bind="query-params", help="The most probable class stands first."
    )
    return prediction.class_names.index(name)


@st.fragment
def explain(checkpoint: Checkpoint, image: Chosen, prediction: Prediction) -> None:
    """Photo, probabilities and the four maps; another class or opacity redraws only this."""
    photo, choice, bars = st.columns([2, 3, 4])
    truth = f": {image.label}" if image.label else ""
    photo.image(
        jpeg_url(cache.seen_by_network(checkpoint, image)), caption=plain(f"{image.name}{truth}"), width="stretch",
        alt=f"What the network sees: {image.name}",
    )  # fmt: skip
    with choice:
        target = pick_target(prediction)
        opacity = st.slider("Opacity of the colours", 0.0, 1.0, 0.6, 0.05, key=state.OPACITY, bind="query-params")
    label, probability = prediction.top(1)[0]
    bars.plotly_chart(
        charts.probability_bars(prediction, _TOP, image.label), key="probabilities", config={"displayModeBar": False},
        alt=f"The most probable class is {label} with {probability:.1%}",
    )  # fmt: skip
    grid = st.grid(len(METHODS), min_column_width=200)
    try:
        for method in METHODS:
            with grid.cell():
                show_attribution(checkpoint, image, method, target, opacity, on_button=method == "occlusion")
    except CoreError as error:
        error_box(error)


st.title("Why this class")
st.markdown(
    "Which pixels speak for a class? Four methods explain the same number, the class's score before the softmax. "
    "Trust what several of them agree on."
)
checkpoint = checkpoint_picker(can_follow=True)
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
if not images:
    st.stop()
try:
    prediction = cache.predictions(checkpoint, images)[0]
except CoreError as error:
    error_box(error)
    st.stop()
explain(checkpoint, images[0], prediction)
