"""One channel, large: over the picture, with its statistics, its filter and what it does over all test images."""

from dataclasses import replace

import streamlit as st

from core.export.pictures import enlarged
from core.inspection.atlas import Atlas
from core.inspection.feature_maps import FeatureMaps
from core.inspection.filters import acting, filter_image
from core.inspection.mosaic import Levels, colormap
from core.runs.checkpoints import Checkpoint
from dashboard import cache, links, state
from dashboard.components.atlas_entry import atlas_entry, offer_atlas
from dashboard.components.layer_picker import pick_channel
from dashboard.components.unit_view import EnlargedMap, unit_just_pinned, unit_view
from dashboard.components.what_raises import what_raises
from dashboard.drawing import number_table
from dashboard.images import Chosen, png_url

_FILTER_PIXELS = 240


def pick_channel_and_pin(maps: FeatureMaps) -> int:
    """The chosen channel, by number; beside it the pinned row and column."""
    count, height, width = maps.values.shape
    limits = {state.ROW: height, state.COLUMN: width}
    state.keep_pin(height)
    for key, limit in limits.items():
        links.check_link(key, range(limit), key)
        state.keep_below(key, limit)
    with st.container(horizontal=True):
        channel = pick_channel(count)
        for key, limit in limits.items():
            st.number_input(
                key.capitalize(), 0, limit - 1, None, key=key, bind="query-params", step=1, width=130,
                placeholder="auto", help="Of the unit that you clicked in the map; empty: of the strongest one.",
            )  # fmt: skip
    return channel


def channel_view(
    checkpoint: Checkpoint, image: Chosen, maps: FeatureMaps, levels: Levels, channel: int, atlas: Atlas | None
) -> None:
    """The chosen channel's map over and beside what the network sees; its numbers, its filter, its atlas entry."""
    quiet = ", hardly responds" if channel in levels.silent else ""
    over_photo(
        checkpoint, image, maps, levels, channel, title=f"{maps.layer}, channel {channel}{quiet}",
        has_strongest=not quiet, alt=f"The network's input, {image.name}, with the map over it",
    )  # fmt: skip
    numbers, kernel = st.columns(2)
    with numbers:
        _statistics(replace(maps, values=maps.values[channel][None]))
    with kernel:
        _filter(checkpoint, maps.layer, channel)
    what_raises(checkpoint, image, maps, channel)
    if atlas:
        atlas_entry(checkpoint, atlas, maps.layer, channel)
    else:
        offer_atlas(checkpoint)


def over_photo(
    checkpoint: Checkpoint,
    image: Chosen,
    maps: FeatureMaps,
    levels: Levels,
    channel: int,
    *,
    title: str,
    alt: str,
    has_strongest: bool = True,
) -> None:
    """One map over and beside what the network sees; a click pins a unit, for all pages."""
    shown = EnlargedMap(
        layer=f"{maps.stage}{maps.layer.removeprefix('conv')}",
        channel=channel,
        title=title,
        values=maps.values[channel],
        levels=levels.pixels[channel],
        palette=colormap(levels.colors),
        low=float(levels.low[channel]),
        high=float(levels.high[channel]),
        above=levels.shared,
        signed=maps.is_signed,
        has_strongest=has_strongest,
    )
    unit_view(
        cache.seen_by_network(checkpoint, image), shown, state.pinned_unit(), key=state.UNIT_VIEW, alt=alt,
        on_pin=lambda: state.pin_unit(unit_just_pinned(state.UNIT_VIEW, len(shown.values))),
    )  # fmt: skip


def _statistics(alone: FeatureMaps) -> None:
    row = alone.statistics().iloc[0]
    numbers = {name: f"{row[key]:.3g}" for name, key in (("Least", "min"), ("Mean", "mean"), ("Greatest", "max"))}
    st.markdown(number_table("On this image", numbers | {"Exactly 0": f"{row['zeros']:.0%}"}))


def _filter(checkpoint: Checkpoint, layer: str, channel: int) -> None:
    kernel = cache.kernel(checkpoint, layer, channel)
    inputs, height, width = kernel.shape
    if inputs == 3:
        stored = checkpoint.input_spec.image_size
        kernel = acting(kernel, stored)
        about = f"Its filter, {height} × {width}, as far as it acts on images stored at {stored} pixels"
    else:
        about = (
            f"Its filter: a {height} × {width} kernel for each of {inputs} input channels. Red adds, blue takes away"
        )
    large = enlarged(filter_image(kernel), _FILTER_PIXELS)
    st.image(png_url(large), caption=about, width=_FILTER_PIXELS, alt=f"The filter of channel {channel}")
