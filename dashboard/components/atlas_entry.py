"""A channel's entry in the atlas: what it does over all test images; and the button that computes the atlas."""

import numpy as np
import streamlit as st

from core.errors import CoreError, DataMissingError
from core.inspection.atlas import ATLAS_FILE, Atlas
from core.runs.checkpoints import Checkpoint
from core.wording import duration
from dashboard import image_sets, state, surveys
from dashboard.components.status import STAY_IN_FRAGMENT, error_box
from dashboard.components.survey_pass import survey_pass
from dashboard.drawing import bars_html, number_table
from dashboard.markdown import plain

_MOST_CLASSES = 10
_IMAGES_PER_SECOND = 90  # on two processor cores


def atlas_entry(checkpoint: Checkpoint, atlas: Atlas, layer: str, channel: int) -> None:
    """Mean, share of images, duplicates, classes and the strongest patches of one channel."""
    entry = atlas.layers[layer]
    _duplicates(entry.twin, channel)
    if entry.dead[channel]:
        st.caption(f"This channel is dead: 0 everywhere on each of the {atlas.num_images:,} test images.")
        return
    numbers, patches = st.columns(2)
    with numbers:
        rows = {
            "Mean": f"{entry.mean[channel]:.3g}",
            "Greatest": f"{entry.peak[channel]:.3g}",
            "Images above 0": f"{entry.active[channel]:.1%}",
        }
        st.markdown(number_table(f"On all {atlas.num_images:,} test images", rows))
        _classes(atlas, layer, channel)
    with patches:
        _patches(checkpoint, atlas, layer, channel)


def _duplicates(twin: np.ndarray, channel: int) -> None:
    """A click leads to the channels that do nearly the same."""
    alike = [int(other) for other in np.flatnonzero(twin == channel)]
    alike = ([int(twin[channel])] if twin[channel] >= 0 else []) + alike
    if alike:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge("Near-duplicate of", color="orange", icon=":material/content_copy:")
            for other in alike:
                st.button(f"Channel {other}", key=f"twin_{other}", on_click=state.choose, args=(state.CHANNEL, other))


def _classes(atlas: Atlas, layer: str, channel: int) -> None:
    entry = atlas.layers[layer]
    means = np.nan_to_num(entry.class_means[channel])
    best = plain(atlas.class_names[int(entry.best_class[channel])])
    st.caption(
        f"Class selectivity {entry.selectivity[channel]:.2f}, highest for **{best}**. Mean activation on each class:",
        help="(mean of the best class - mean of the others) / (their sum): 0 where all classes are alike, 1 where only "
        "one activates it (Morcos et al. 2018).",
    )
    # In the order of the classes, so that channels can be compared; the highest ones where there are many.
    shown = np.sort(np.argsort(-means, kind="stable")[:_MOST_CLASSES])
    st.html(bars_html([atlas.class_names[i] for i in shown], means[shown].tolist()))


def _patches(checkpoint: Checkpoint, atlas: Atlas, layer: str, channel: int) -> None:
    entry = atlas.layers[layer]
    numbers = [int(image) for image in entry.top_images[channel] if image >= 0]
    try:
        sheet = surveys.patches(checkpoint, atlas, layer, channel)
    except DataMissingError as error:
        st.caption(
            f"The {len(numbers)} patches that it responds to most are of test images that aren't here. {plain(error)}"
        )
        return
    except CoreError as error:
        error_box(error)
        return
    st.image(
        sheet, width="stretch", alt=f"The {len(numbers)} image patches to which channel {channel} responds most",
        caption="Where it responds most, its receptive field boxed. "
        f"Test images {', '.join(map(str, numbers))}",
    )  # fmt: skip


def offer_atlas(checkpoint: Checkpoint) -> None:
    """The button that computes the atlas, and what that costs."""
    try:
        total = len(image_sets.test_images(checkpoint.run))
    except CoreError as error:
        st.caption(f"The channel atlas needs the test images. {plain(error)}")
        return
    if surveys.keeps_others(checkpoint, ATLAS_FILE):
        st.caption(
            "The channel atlas kept with this checkpoint is of another copy of the test images than the one on this "
            "computer. Compute it to replace that one."
        )
    pressed = st.button("Compute the channel atlas", icon=":material/menu_book:", key="compute_atlas", type="primary")
    st.caption(
        f"What every channel of all layers does over all {total:,} test images: how often it is active, for which "
        "classes, on which patches most, and which are dead or duplicates. One pass through the network, kept beside "
        f"the checkpoint: about {duration(total / _IMAGES_PER_SECOND)} on two processor cores."
    )
    if pressed:
        survey_pass(surveys.compute_atlas, checkpoint, total, "app_pages/feature_maps.py", STAY_IN_FRAGMENT)
