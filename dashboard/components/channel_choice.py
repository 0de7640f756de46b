"""What the mosaic shows: which channels, in which order, in which colours."""

from typing import NamedTuple, get_args

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import InspectionError
from core.inspection.atlas import LayerAtlas
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import Mosaic, Scale, colormap, colormap_of
from core.inspection.ranking import Order, Show, keep_channels, order_channels
from dashboard import links, state
from dashboard.components.layer_picker import pick_layer, pick_stage
from dashboard.images import png_url
from dashboard.markdown import plain


class ColorScale(NamedTuple):
    """greatest: the value at its end where it is fixed, else None."""

    scale: Scale
    greatest: float | None


def pick_scale() -> ColorScale:
    """The colour scale; its greatest value counts where it is fixed."""
    links.check_link(state.SCALE, get_args(Scale), "colour scale")
    scale: Scale = st.segmented_control(
        "Colour scale", get_args(Scale), default="channel", required=True, key=state.SCALE, bind="query-params",
        help="**channel**: each from its own least to its greatest value, which shows its shape.  \n"
        "**layer**: one scale for all, which shows which channels matter.  \n"
        "**fixed**: up to a value of yours, which compares images, layers and checkpoints.",
    )  # fmt: skip
    greatest = st.number_input(
        "Greatest value", 0.01, 1000.0, 1.0, 0.1, key=state.GREATEST, bind="query-params", width=140,
        disabled=scale != "fixed", help="Of the fixed colour scale.",
    )  # fmt: skip
    return ColorScale(scale, greatest if scale == "fixed" else None)


def pick_view() -> tuple[str, str, ColorScale]:
    """Layer, stage and colour scale, in a row."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = pick_layer()
        return layer, pick_stage(layer), pick_scale()


def pick_channels(maps: FeatureMaps, atlas: LayerAtlas | None) -> tuple[int, ...]:
    """The channels to show in the chosen order; none, and a word on it, where none is of the chosen kind."""
    links.check_link(state.SORT, get_args(Order), "order")
    links.check_link(state.SHOW, get_args(Show), "kind of channel")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order: Order = st.segmented_control(
            "Order", get_args(Order), default="number", required=True, key=state.SORT, bind="query-params",
            help="**strongest**: by the greatest activation on this image.  \n"
            "**selective**: by class selectivity over all test images.",
        )  # fmt: skip
        show: Show = st.segmented_control(
            "Show", get_args(Show), default="all", required=True, key=state.SHOW, bind="query-params",
            help="**dead**: 0 everywhere on every test image; before the atlas is computed, those that hardly respond "
            "to this picture.  \n**alive**: all others.  \n"
            "**near-duplicates**: channels that do nearly the same as another one, together with it.",
        )  # fmt: skip
    try:
        kept = set(keep_channels(maps, atlas, show))
        channels = tuple(channel for channel in order_channels(maps, atlas, order) if channel in kept)
    except InspectionError as error:
        st.info(f"{plain(error)} Until then, all channels by number.", icon=":material/menu_book:")
        return tuple(range(len(maps.values)))
    if not channels:
        st.info(f"{maps.layer} has no {show.removesuffix('s')} channels.", icon=":material/filter_alt_off:")
    return channels


def color_bar(maps: FeatureMaps, sheet: Mosaic) -> None:
    """The colour scale, with what its ends mean."""
    low, high = ("least" if not maps.is_signed else "negative", "greatest of each channel")
    if sheet.low is not None and sheet.high is not None:
        low, high = f"{sheet.low:.3g}", f"{sheet.high:.3g} and above"
    color_strip(colormap_of(maps), low, high, alt=f"Colour scale from {low} to {high}")


def color_strip(colors: str, low: str, high: str, *, alt: str) -> None:
    """The colour map of that name between the words for its ends."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(low, width="content")
        st.image(png_url(Image.fromarray(np.tile(colormap(colors), (12, 1, 1)))), width=120, alt=alt)
        st.caption(high, width="content")
