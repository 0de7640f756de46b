"""What of the picture raises one unit of the chosen channel: the gradient, taken back to the pixels."""

from typing import Literal

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import CoreError
from core.export.pictures import enlarged
from core.inspection.backprojection import WAYS, Way, as_picture
from core.inspection.feature_maps import FeatureMaps
from core.inspection.receptive_field import receptive_field
from core.runs.checkpoints import Checkpoint
from dashboard import cache, links, state
from dashboard.components.status import error_box
from dashboard.images import Chosen, png_url

_SIDE = 240  # pixels


def what_raises(checkpoint: Checkpoint, image: Chosen, maps: FeatureMaps, channel: int) -> None:
    """For the pinned unit, or the channel's strongest: the part of the picture that it sees, and what raises it."""
    ways: tuple[Way | Literal["off"], ...] = ("off", *WAYS)
    links.check_link(state.WAY, ways, "way back to the pixels")
    way: Way | Literal["off"] = st.segmented_control(
        "What of the picture raises it", ways, default="off", required=True, key=state.WAY, bind="query-params",
        help="  \n".join(f"**{way}**: {about}" for way, about in WAYS.items()),
    )  # fmt: skip
    if way == "off":
        return
    if maps.stage == "pool":
        st.caption("A pooled number comes from whichever unit was greatest; choose the stage conv, relu or lrn.")
        return
    values = maps.values[channel]
    row, column = state.pinned_unit() or divmod(int(values.argmax()), values.shape[1])
    try:
        found = cache.backprojection(checkpoint, image, maps.layer, channel, (row, column), way)
        seen = cache.seen_by_network(checkpoint, image)
    except CoreError as error:
        error_box(error)
        return
    st.caption(f"The unit at row {row}, column {column} of {maps.layer}, channel {channel}, before its ReLU.")
    field = receptive_field(maps.layer, row, column)
    part = np.s_[max(field.top, 0) : field.bottom, max(field.left, 0) : field.right]
    pictures = {"What it sees": seen[part], "What raises it: grey does nothing": as_picture(found[part])}
    with st.container(horizontal=True):
        for title, picture in pictures.items():
            large = enlarged(Image.fromarray(picture), _SIDE)
            st.image(png_url(large), caption=title, width=_SIDE, alt=f"{title}, unit {row}, {column} ({way})")
