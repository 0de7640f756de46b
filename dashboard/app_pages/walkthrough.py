"""One unit of the network, step by step: numbers that add up."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.errors import CoreError
from core.inspection.feature_maps import FeatureMaps
from core.inspection.walkthrough import Walk, strongest_unit
from core.runs.checkpoints import Checkpoint
from dashboard import cache, state
from dashboard.components import walkthrough_after as after
from dashboard.components.channel import pick_channel_and_pin
from dashboard.components.image_picker import image_picker
from dashboard.components.layer_picker import pick_layer
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.components.walkthrough_sum import addition, products
from dashboard.components.walkthrough_unit import where_it_looks
from dashboard.images import Chosen


@st.fragment
def walk_through(checkpoint: Checkpoint, image: Chosen) -> None:
    """The pickers of a unit and its steps; choosing another redraws only this."""
    layer = pick_layer()
    try:
        activations = cache.activations(checkpoint, image)
        channel = pick_channel_and_pin(FeatureMaps(layer, "conv", activations[layer]))
        row, column = state.pinned_unit() or strongest_unit(activations, layer, channel)
        walk = cache.walk(checkpoint, image, layer, channel, row, column)
    except CoreError as error:
        error_box(error)
        return
    steps: list[tuple[str, Callable[[Walk], None]]] = [
        ("Where it looks", partial(where_it_looks, checkpoint, image, activations)),
        ("Multiply", products),
        ("Add up", addition),
        ("ReLU", after.relu),
    ]
    if walk.normalization:
        steps.append(("Local response normalisation", partial(after.normalization, found=walk.normalization)))
    if walk.pooling:
        steps.append(("Pooling", partial(after.pooling, found=walk.pooling)))
    steps.append(("Where the value goes", after.destination))
    for number, (title, draw) in enumerate(steps, 1):
        st.subheader(f"{number}. {title}", anchor=f"step-{number}")
        draw(walk)


st.title("Walkthrough")
st.markdown("One number of the network, worked out from the pixels it sees to the value that the next layer reads.")
checkpoint = checkpoint_picker(can_follow=True)
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
if images:
    walk_through(checkpoint, images[0])
