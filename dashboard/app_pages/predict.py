"""What does the network say about a picture?"""

import pandas as pd
import streamlit as st

from core.errors import CoreError
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, charts
from dashboard.components.image_picker import image_picker
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen, jpeg_url, thumbnail
from dashboard.markdown import plain, some

_TOP = 5
_MOST_NAMES = 20


def show_one(checkpoint: Checkpoint, image: Chosen, prediction: Prediction) -> None:
    (label, probability), *_ = prediction.top(1)
    verdict = f"### {plain(label)} · {probability:.1%}"
    if image.label is not None:
        verdict += (
            " :green[:material/check: correct]"
            if label == image.label
            else f" :red[:material/close: it is {plain(image.label)}]"
        )
    st.markdown(verdict)
    if image.label is None:
        st.caption(f"It has to choose one of the classes that it knows: {some(prediction.class_names, _MOST_NAMES)}.")
    original, seen, bars = st.columns([1, 1, 2])
    original.image(
        jpeg_url(image.enlarged()), caption=plain(image.name), alt=f"The picture: {image.name}", width="stretch"
    )
    seen.image(
        jpeg_url(cache.seen_by_network(checkpoint, image)), caption="What the network sees, 227 × 227", width="stretch",
        alt="The picture after cutting, scaling and stretching to 227 × 227",
    )  # fmt: skip
    bars.plotly_chart(
        charts.probability_bars(prediction, _TOP, image.label), key="probabilities", config={"displayModeBar": False},
        alt=f"The most probable class is {label} with {probability:.1%}",
    )  # fmt: skip


def show_many(images: list[Chosen], predictions: list[Prediction]) -> None:
    rows = [
        {"picture": thumbnail(image.picture), "file": image.name, "class": prediction.label,
         "probability": prediction.top(1)[0][1],
         "next": ", ".join(f"{name} {p:.0%}" for name, p in prediction.top(3)[1:])}
        for image, prediction in zip(images, predictions, strict=True)
    ]  # fmt: skip
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, row_height=64, key="predictions",
        alt=f"The predicted class of {len(rows)} pictures",
        column_config={
            "picture": st.column_config.ImageColumn("Picture"),
            "file": "File",
            "class": "Class",
            "next": "Next two",
            "probability": st.column_config.ProgressColumn("Probability", format="percent", min_value=0, max_value=1),
        },
    )  # fmt: skip


st.title("Predict")
checkpoint = checkpoint_picker(can_follow=True)
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run, several=True)
if not images:
    st.stop()
try:
    predictions = cache.predictions(checkpoint, images)
except CoreError as error:
    error_box(error)
    st.stop()
if len(images) == 1:
    show_one(checkpoint, images[0], predictions[0])
else:
    show_many(images, predictions)
