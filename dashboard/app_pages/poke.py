"""Switch channels off and change the picture: the probabilities move along, and the accuracy can be measured."""

import numpy as np
import streamlit as st

from core.data.edits import Edits, edit
from core.errors import CoreError
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, experiments
from dashboard.comparison_charts import BEFORE_AND_NOW, paired_probabilities
from dashboard.components.channels_off import channels_off, ranking
from dashboard.components.counting import counting
from dashboard.components.image_picker import image_picker
from dashboard.components.picture_edits import picture_edits
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen, jpeg_url
from dashboard.markdown import plain

_TOP = 5


@st.fragment
def poke(checkpoint: Checkpoint, image: Chosen) -> None:
    """Results above, what causes them below; a change redraws only this."""
    pictures, probabilities = st.columns([2, 3])
    left, right = st.columns(2)
    with left:
        st.markdown("#### Change the picture")
        edits = picture_edits()
    changed = image if edits == Edits() else Chosen(f"{image.name}, changed", edit(image.picture, edits), image.label)
    with right:
        st.markdown("#### Switch channels off")
        layer, channels = channels_off(checkpoint, changed)
    try:
        before = cache.predictions(checkpoint, [image])[0]
        is_changed = changed is not image or bool(channels)
        after = experiments.without(checkpoint, changed, {layer: channels}) if is_changed else before
    except CoreError as error:
        error_box(error)
        return
    with pictures:
        show_pictures(checkpoint, changed)
        show_accuracy(checkpoint, layer, channels)
    with probabilities:
        show_probabilities(before, after, image.label)
    with right:
        ranking(checkpoint, changed, layer)


def show_pictures(checkpoint: Checkpoint, image: Chosen) -> None:
    left, right = st.columns(2, wrap=False)
    left.image(jpeg_url(image.enlarged()), caption=plain(image.name), alt=f"The picture: {image.name}", width="stretch")
    right.image(
        jpeg_url(cache.seen_by_network(checkpoint, image)), caption="What the network sees", width="stretch",
        alt="The picture after cutting, scaling and stretching to 227 × 227",
    )  # fmt: skip


def show_probabilities(before: Prediction, after: Prediction, truth: str | None) -> None:
    said = [f"{prediction.label} · {prediction.top(1)[0][1]:.1%}" for prediction in (before, after)]
    st.markdown(f"### {' → '.join(map(plain, dict.fromkeys(said)))}")
    st.plotly_chart(
        paired_probabilities({"before": before, "now": after}, _TOP, truth, BEFORE_AND_NOW), key="probabilities",
        config={"displayModeBar": False},
        alt=f"Before: {said[0]}. Now: {said[1]}.",
    )  # fmt: skip


def show_accuracy(checkpoint: Checkpoint, layer: str, channels: tuple[int, ...]) -> None:
    """On a sample of the test images, once the button was pressed for these channels."""
    try:
        count = experiments.sample_size(checkpoint)
    except CoreError as error:
        st.caption(f"The accuracy needs the test images. {plain(error)}")
        return
    pressed = st.button(
        f"Measure the accuracy on {count} test images", icon=":material/speed:", key="measure",
        help=f"Images as they are. Chance alone moves such an accuracy by up to about {98 / count**0.5:.0f} points.",
    )  # fmt: skip
    try:
        if pressed:
            for part in ((), channels):
                with counting(f"images, {len(part)} channels off") as on_batch:
                    experiments.measure_accuracy(checkpoint, layer, part, on_batch)
    except CoreError as error:
        error_box(error)
        return
    whole, now = (experiments.sample_accuracy(checkpoint, layer, part) for part in ((), channels))
    if whole is None or now is None:
        return
    loss = whole.per_class - now.per_class
    worst = int(np.nanargmax(loss))
    name = plain(checkpoint.class_names[worst])
    hit = f" {name} loses most, {whole.per_class[worst]:.0%} → {now.per_class[worst]:.0%}."
    st.caption(f"Accuracy on them **{whole.overall:.1%} → {now.overall:.1%}**.{hit if loss[worst] > 0 else ''}")


st.title("Poke it")
st.markdown("Switch channels off or change the picture, and see what the network makes of it then.")
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
if images:
    poke(checkpoint, images[0])
