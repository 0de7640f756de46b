"""Two networks on one picture: what they answer, all maps side by side with the difference, one channel enlarged."""

from typing import get_args

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import CoreError
from core.export.pictures import enlarged
from core.inspection.comparison import Comparison, DifferenceOrder
from core.inspection.feature_maps import STAGES
from core.inspection.mosaic import Levels, colormap
from core.runs.checkpoints import Checkpoint
from dashboard import cache, links, state
from dashboard.comparison import Drawn, comparison, drawn
from dashboard.comparison_charts import paired_probabilities
from dashboard.components.channel_choice import ColorScale, color_bar, color_strip
from dashboard.components.layer_picker import pick_channel
from dashboard.components.mosaic import channel_mosaic
from dashboard.components.status import error_box
from dashboard.images import Chosen, jpeg_url, png_url
from dashboard.markdown import plain

_MOSAICS_HEIGHT = 520  # pixels: the three scroll together, and the enlarged channel stays in sight
_ENLARGED = 330
_TOP = 5
SIDES = ("A", "B", "B − A")
_NUMBERS = {
    "min": st.column_config.NumberColumn("Least", format="%.3g"),
    "mean": st.column_config.NumberColumn("Mean", format="%.3g"),
    "max": st.column_config.NumberColumn("Greatest", format="%.3g"),
    "zeros": st.column_config.NumberColumn("Exactly 0", format="percent", help="Share of the values."),
}


def both_predictions(a: Checkpoint, b: Checkpoint, image: Chosen) -> None:
    """What each network sees, and what it takes it for. Raises CheckpointError."""
    said = {name: cache.predictions(side, [image])[0] for name, side in (("A", a), ("B", b))}
    words = [f"{name}: {found.label}, {found.probabilities.max():.1%}" for name, found in said.items()]
    left, right = st.columns([1, 3], vertical_alignment="center")
    left.image(
        jpeg_url(cache.seen_by_network(a, image)),
        caption=plain(f"{image.name}{f', {image.label}' if image.label else ''}"),
        width=227, alt=f"What network A sees of {image.name}",
    )  # fmt: skip
    right.plotly_chart(
        paired_probabilities(said, _TOP, image.label), key="paired", alt=". ".join(words),
        config={"displayModeBar": False},
    )  # fmt: skip


@st.fragment
def compared_maps(a: Checkpoint, b: Checkpoint, image: Chosen, layer: str, stage: str, scale: ColorScale) -> None:
    """The three mosaics and the enlarged channel; choosing a channel or an order redraws only this."""
    try:
        found = comparison(a, b, image, layer, stage)
        count, height, width = found.difference.shape
        channel, order = _pick(count)
        views = drawn(a, b, image, found, *scale, order)
    except CoreError as error:
        error_box(error)
        return
    alike = np.nanmedian(found.correlation) if np.isfinite(found.correlation).any() else np.nan
    st.caption(
        f"All {count} channels of {layer}, {STAGES[stage]}, {height} × {width} each: A, B, and B − A. Click one to "
        f"enlarge it. A and B share one colour scale. Median correlation of maps with the same number: {alike:.2f}."
    )
    _bars(found, views)
    with st.container(height=_MOSAICS_HEIGHT):
        for name, key, view, column in zip(SIDES, state.MOSAICS, views, st.columns(3), strict=True):
            with column:
                st.markdown(f"**{name}**")
                channel_mosaic(view.sheet, channel, key=key, alt=f"{name}: {count} maps of {layer} for {image.name}.")
    _enlarged(found, [view.levels for view in views], channel)


def _pick(count: int) -> tuple[int, DifferenceOrder]:
    """The channel to enlarge, and the order of all."""
    links.check_link(state.DIFFERENCE_ORDER, get_args(DifferenceOrder), "order")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        channel = pick_channel(count)
        order: DifferenceOrder = st.segmented_control(
            "Order", get_args(DifferenceOrder), default="number", required=True, key=state.DIFFERENCE_ORDER,
            bind="query-params", help="**difference**: the greatest root mean square of B − A first.  \n"
            "**correlation**: the least alike in shape first, whatever their strength.",
        )  # fmt: skip
    return channel, order


def _bars(found: Comparison, views: tuple[Drawn, ...]) -> None:
    """What the colours of the maps and of the difference mean."""
    high = views[2].sheet.high
    end = "by the greatest of the channel" if high is None else f"by {high:.3g} and more"
    with st.container(horizontal=True, gap="large"):
        color_bar(found.a, views[0].sheet)
        alt = f"Colour scale of B − A: blue where B is lower, red where higher, {end}"
        color_strip("signed", "B lower", f"B higher, {end}", alt=alt)


def _enlarged(found: Comparison, levels: list[Levels], channel: int) -> None:
    """One channel three times, and its numbers."""
    pictures, numbers = st.columns([3, 2])
    with pictures, st.grid(3, min_column_width=100):
        for name, side in zip(SIDES, levels, strict=True):
            quiet = ", hardly responds" if channel in side.silent else ""
            picture = Image.fromarray(colormap(side.colors)[side.pixels[channel]])
            st.image(
                png_url(enlarged(picture, _ENLARGED)),
                caption=f"{name}, channel {channel}{quiet}", width="stretch", alt=f"{name}: map of channel {channel}",
            )  # fmt: skip
    with numbers:
        st.dataframe(
            found.statistics(channel),
            column_config=_NUMBERS,
            alt=f"Least, mean and greatest value of channel {channel}",
        )
        alike = (
            "one of them is constant" if np.isnan(found.correlation[channel]) else f"{found.correlation[channel]:.2f}"
        )
        st.caption(
            f"Correlation of the two maps: {alike}. Root mean square of the difference: {found.distance[channel]:.3g}."
        )
