"""Every channel of any convolution layer, on one picture."""

from typing import get_args

import streamlit as st

from core.errors import CoreError
from core.inspection.feature_maps import STAGES, stages_of
from core.inspection.mosaic import Scale, mosaic
from core.model import CONV_LAYERS
from core.runs.checkpoints import Checkpoint
from dashboard import cache, state
from dashboard.components.channel import channel_view, color_bar
from dashboard.components.image_picker import image_picker
from dashboard.components.mosaic import mosaic as clickable_mosaic
from dashboard.components.mosaic import picked_channel
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen

_MOSAIC_HEIGHT = 720  # pixels: the mosaic scrolls, so that the enlarged channel stays in sight


def pick_view() -> tuple[str, str, Scale]:
    """Layer, stage and colour scale."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state.check_link(state.LAYER, CONV_LAYERS, "layer")
        layer = st.segmented_control(
            "Layer", CONV_LAYERS, default="conv1", required=True, key=state.LAYER, bind="query-params"
        )
        stages = stages_of(layer)
        state.check_link(state.STAGE, stages, "stage")
        state.keep_valid(state.STAGE, stages)
        # No format_func here: the address carries what is shown.
        stage = st.segmented_control(
            "Stage", stages, default="relu", required=True, key=state.STAGE, bind="query-params",
            help="  \n".join(f"**{stage}**: {STAGES[stage]}" for stage in stages),
        )  # fmt: skip
        scale: Scale = st.segmented_control(
            "Colour scale per", get_args(Scale), default="channel", required=True, key=state.SCALE, bind="query-params",
            help="**channel**: each from its own least to its greatest value, which shows its shape.  \n"
            "**layer**: one scale for all, which shows which channels matter.",
        )  # fmt: skip
    return layer, stage, scale


@st.fragment
def look(checkpoint: Checkpoint, image: Chosen, layer: str, stage: str, scale: Scale) -> None:
    """The mosaic and the enlarged channel; choosing a channel redraws only this."""
    try:
        maps = cache.maps(checkpoint, image, layer, stage)
    except CoreError as error:
        error_box(error)
        return
    sheet = mosaic(maps, scale)
    left, right = st.columns([3, 2])
    state.check_link(state.CHANNEL, range(len(maps.values)), "channel")
    state.keep_below(state.CHANNEL, len(maps.values))
    with right:
        channel = st.number_input(
            "Channel", 0, len(maps.values) - 1, key=state.CHANNEL, bind="query-params", step=1, width=160
        )
        channel_view(checkpoint, image, maps, int(channel), scale)
    with left:
        _, height, width = maps.values.shape
        quiet = f" {len(sheet.dead)} hardly respond to this picture (struck out)." if sheet.dead else ""
        st.caption(
            f"All {len(maps.values)} channels of {layer}, {STAGES[stage]}, {height} × {width} each. "
            f"Click one to enlarge it, or walk with the arrow keys.{quiet}"
        )
        color_bar(maps, sheet)
        with st.container(height=_MOSAIC_HEIGHT):
            clickable_mosaic(
                sheet.png, num_channels=len(sheet.channels), tile_width=sheet.tile_width,
                tile_height=sheet.tile_height, columns=sheet.columns, channel_ids=sheet.channels,
                selected=int(channel), dead=sheet.dead, key=state.MOSAIC,
                on_select=lambda: state.select_channel(picked_channel(state.MOSAIC)),
                alt=f"{len(sheet.channels)} feature maps of {layer} for {image.name}.",
            )  # fmt: skip


st.title("Feature maps")
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
with st.container():  # a fixed place: widgets that move down the page lose their part of the address
    images = image_picker(checkpoint.run.config)
view = pick_view()
if images:
    look(checkpoint, images[0], *view)
