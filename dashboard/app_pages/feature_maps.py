"""Every channel of any convolution layer, on one picture."""

import streamlit as st

from core.errors import CoreError
from core.inspection.feature_maps import STAGES, FeatureMaps
from core.inspection.mosaic import Mosaic
from core.runs.checkpoints import Checkpoint
from dashboard import cache, state, surveys
from dashboard.components.channel import channel_view, pick_channel_and_pin
from dashboard.components.channel_choice import ColorScale, color_bar, pick_channels, pick_view
from dashboard.components.image_picker import image_picker
from dashboard.components.mosaic import channel_mosaic
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen

_MOSAIC_HEIGHT = 720  # pixels: the mosaic scrolls, so that the enlarged channel stays in sight


@st.fragment
def look(checkpoint: Checkpoint, image: Chosen, layer: str, stage: str, scale: ColorScale) -> None:
    """The mosaic and the enlarged channel; choosing a channel or a pixel redraws only this."""
    try:
        maps = cache.maps(checkpoint, image, layer, stage)
        levels = cache.levels(checkpoint, image, maps, *scale)
        atlas = surveys.atlas(checkpoint)
        left, right = st.columns([11, 9])
        with right:
            channel = pick_channel_and_pin(maps)
            channel_view(checkpoint, image, maps, levels, channel, atlas)
        with left:
            channels = pick_channels(maps, atlas.layers[layer] if atlas else None)
            if channels:
                draw_mosaic(maps, cache.sheet(checkpoint, image, maps, *scale, channels), channel, image.name)
    except CoreError as error:  # also where the checkpoint has moved on since the page was drawn
        error_box(error)


def draw_mosaic(maps: FeatureMaps, sheet: Mosaic, channel: int, image: str) -> None:
    """All the channels to show, to choose from."""
    total, height, width = maps.values.shape
    shown = "All" if len(sheet.channels) == total else f"{len(sheet.channels)} of"
    responds = "responds" if len(sheet.silent) == 1 else "respond"
    quiet = f" {len(sheet.silent)} hardly {responds} to this picture (struck out)." if sheet.silent else ""
    st.caption(
        f"{shown} {total} channels of {maps.layer}, {STAGES[maps.stage]}, {height} × {width} each. "
        f"Click one to enlarge it, or walk with the arrow keys.{quiet}"
    )
    color_bar(maps, sheet)
    with st.container(height=_MOSAIC_HEIGHT):
        alt = f"{len(sheet.channels)} feature maps of {maps.layer} for {image}."
        channel_mosaic(sheet, channel, key=state.MOSAIC, alt=alt)


st.title("Feature maps")
checkpoint = checkpoint_picker(can_follow=True)
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
view = pick_view()
if images:
    look(checkpoint, images[0], *view)
