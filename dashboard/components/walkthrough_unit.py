"""Step one of the walkthrough: the unit on its map, and what it sees of the photo; a click chooses another."""

import streamlit as st

from core.inspection.feature_maps import FeatureMaps
from core.inspection.walkthrough import Activations, Walk
from core.runs.checkpoints import Checkpoint
from dashboard import cache
from dashboard.components.channel import over_photo
from dashboard.images import Chosen
from dashboard.numbers import scientific

_WIDTH = 760  # pixels: the steps below should be near


def where_it_looks(checkpoint: Checkpoint, image: Chosen, activations: Activations, walk: Walk) -> None:
    """The receptive field on the photo beside the channel's map."""
    field = walk.field
    size = f"{field.bottom - field.top} × {field.right - field.left}"
    st.markdown(
        f"A unit is one pixel of one channel's map. This one, **row {walk.row}, column {walk.column}** of channel "
        f"{walk.channel} of {walk.layer}, sees only the {size} pixels in the frame: rows {field.top} to "
        f"{field.bottom - 1}, columns {field.left} to {field.right - 1} of 227. "
        "Click another pixel of the map to walk through that one."
    )
    maps = FeatureMaps(walk.layer, "conv", activations[walk.layer])
    levels = cache.levels(checkpoint, image, maps, "channel", None)
    with st.container(width=_WIDTH):
        over_photo(
            checkpoint, image, maps, levels, walk.channel,
            title=f"{walk.layer}, channel {walk.channel}, before the ReLU",
            alt=f"The network's input, {image.name}; a frame around the pixels that the unit sees",
        )  # fmt: skip
    st.caption(
        f"The network itself computed this map. The arithmetic below differs from its numbers by at most "
        f"{scientific(walk.difference)}, from rounding."
    )
