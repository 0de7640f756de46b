"""The test images as thumbnails, to choose one by its looks."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.runs.run import Run
from dashboard import cache, state
from dashboard.components.gallery import COLUMNS, PER_PAGE, sheet
from dashboard.components.mosaic import mosaic, picked_channel

_WIDTH, _HEIGHT = 520, 420  # pixels: what the choice changes on the page stays in sight


def image_browser(run: Run, indices: Sequence[int], chosen: int) -> None:
    """A button that opens the images at `indices`, mixed but always alike, a page at a time; a click chooses one."""
    place = st.popover(
        "Browse", icon=":material/grid_view:", key=state.BROWSER, on_change="rerun", disabled=not indices,
        help="Thumbnails of the test images: all, or those of the class.",
    )  # fmt: skip
    if not place.open or not indices:
        return
    images = cache.test_images(run)
    mixed = np.random.default_rng(0).permutation(indices)  # a folder's images come class by class
    pages = -(-len(mixed) // PER_PAGE)
    state.keep_below(state.BROWSER_PAGE, pages + 1)
    with place:
        page = st.number_input(
            f"Page, 1 to {pages:,}", 1, pages, key=state.BROWSER_PAGE, persist_state="session", disabled=pages == 1
        )
        shown = mixed[(page - 1) * PER_PAGE : page * PER_PAGE]
        png, height, width = sheet(cache.test_fingerprint(run), shown, None, images)
        with st.container(width=_WIDTH, height=_HEIGHT):
            mosaic(
                png, tile_width=width, tile_height=height, columns=COLUMNS, channel_ids=shown.tolist(),
                selected=chosen, captions=[images.label(int(index)) for index in shown], noun="test image",
                key=state.BROWSER_MOSAIC, alt=f"{len(shown)} test images",
                on_select=lambda: state.choose(state.IMAGE_INDEX, picked_channel(state.BROWSER_MOSAIC)),
            )  # fmt: skip
