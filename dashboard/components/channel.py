"""One channel, large: beside the picture, with its statistics and its filter."""

import numpy as np
import streamlit as st
from PIL import Image

from core.inspection.feature_maps import FeatureMaps
from core.inspection.filters import filter_image
from core.inspection.mosaic import Mosaic, Scale, channel_image, colormap, colormap_of, dead_channels
from core.runs.checkpoints import Checkpoint
from dashboard import cache
from dashboard.images import Chosen

_FILTER_PIXELS = 260


def channel_view(checkpoint: Checkpoint, image: Chosen, maps: FeatureMaps, channel: int, scale: Scale) -> None:
    """The chosen channel's map beside what the network sees, its statistics, its filter."""
    left, right = st.columns(2, wrap=False)
    left.image(
        cache.seen_by_network(checkpoint, image), caption="What the network sees", width="stretch",
        alt=f"The network's input: {image.name}",
    )  # fmt: skip
    quiet = ", hardly responds" if channel in dead_channels(maps) else ""
    right.image(
        channel_image(maps, channel, scale), caption=f"{maps.layer}, channel {channel}{quiet}", width="stretch",
        alt=f"Feature map of channel {channel}",
    )  # fmt: skip
    row = maps.statistics().loc[channel]
    with st.grid(2, min_column_width=95):
        for name, value in (("Min", row["min"]), ("Mean", row["mean"]), ("Max", row["max"])):
            st.metric(name, f"{value:.3g}")
        st.metric("Zeros", f"{row['zeros']:.0%}", help="Share of this map's values that are exactly 0.")
    _filter(checkpoint, maps.layer, channel)


def color_bar(maps: FeatureMaps, sheet: Mosaic) -> None:
    """The colour scale, with what its ends mean."""
    strip = Image.fromarray(np.tile(colormap(colormap_of(maps)), (12, 1, 1)))
    low, high = ("least" if not maps.is_signed else "negative", "greatest of each channel")
    if sheet.low is not None and sheet.high is not None:
        low, high = f"{sheet.low:.3g}", f"{sheet.high:.3g} and above"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(low, width="content")
        st.image(strip, width=200, alt=f"Colour scale from {low} to {high}")
        st.caption(high, width="content")


def _filter(checkpoint: Checkpoint, layer: str, channel: int) -> None:
    kernel = cache.kernel(checkpoint, layer, channel)
    inputs, height, width = kernel.shape
    picture = filter_image(kernel)
    if inputs == 3:
        about = f"Its filter, {height} × {width}, in colour"
    else:
        about = (
            f"Its filter: a {height} × {width} kernel for each of {inputs} input channels. Red adds, blue takes away"
        )
    factor = _FILTER_PIXELS // picture.width + 1
    large = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    st.image(large, caption=about, width=_FILTER_PIXELS, alt=f"The filter of channel {channel}")
