"""All channels of a layer as one clickable picture, drawn on a single canvas."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import streamlit as st

from core.export.html import data_url
from core.inspection.mosaic import Mosaic
from dashboard import state
from dashboard.components.frontend import read, script

_COMPONENT = st.components.v2.component(
    "alexnet_mosaic",
    html="<div class='frame'><canvas tabindex='0' role='application'></canvas>"
    "<div class='hover'></div><div class='selected'></div></div>"
    "<div class='spoken' aria-live='polite'></div>",
    css=read("mosaic.css"),
    js=script("pick.js", "mosaic.js"),
)


def mosaic(
    png: bytes,
    *,
    tile_width: int,
    tile_height: int,
    columns: int,
    ids: Sequence[int],
    selected: int | None,
    silent: Collection[int] = (),
    captions: Sequence[str] = (),
    noun: str = "channel",
    key: str,
    on_select: Callable[[], None],
    alt: str,
) -> None:
    """Draw the mosaic.

    `png` holds tile i at row i // columns, column i % columns, without gaps, sizes in pixels; `ids[i]` is the number
    shown under it, or `captions[i]` is where there are captions; `noun` is what a tile is called, `silent` are the ids
    marked as such. `selected`, an id or None, is the caller's truth: a pick reruns only the enclosing fragment and is
    reported once, to be stored in `on_select` through `picked`.
    """
    # Sent back at once: the browser would otherwise show the old selection until the next rerun.
    current = selected if (now := picked(key)) is None else now
    data: dict[str, Any] = {
        "png": data_url(png, "image/png"),
        "tile": [tile_width, tile_height],
        "columns": columns,
        "ids": [int(number) for number in ids],
        "silent": [int(number) for number in silent],
        "captions": list(captions),
        "noun": noun,
        "selected": None if current is None else int(current),
        "alt": alt,
    }
    _COMPONENT(data=data, key=key, height="content", on_picked_change=on_select)


def channel_mosaic(sheet: Mosaic, channel: int, *, key: str, alt: str) -> None:
    """The channels of `sheet`; a click on one makes it the chosen channel of all pages."""
    mosaic(
        sheet.png, tile_width=sheet.tile_width, tile_height=sheet.tile_height, columns=sheet.columns,
        ids=sheet.channels, selected=channel, silent=sheet.silent, key=key, alt=alt,
        on_select=lambda: state.choose(state.CHANNEL, picked(key)),
    )  # fmt: skip


def picked(key: str) -> int | None:
    """The id picked in the mosaic `key` just now, else None. For use in `on_select`."""
    number = (st.session_state.get(key) or {}).get("picked")
    return number if isinstance(number, int) else None
