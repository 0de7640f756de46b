"""The test images as thumbnails, to choose one by its looks."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.runs.run import Run
from dashboard import image_sets, state
from dashboard.components.thumbnails import page_of, thumbnails

_WIDTH, _HEIGHT = 520, 420  # pixels: what the choice changes on the page stays in sight


def image_browser(run: Run, indices: Sequence[int], chosen: int) -> None:
    """A button that opens the images at `indices`, mixed but always alike, a page at a time; a click chooses one."""
    place = st.popover(
        "Browse", icon=":material/grid_view:", key=state.BROWSER, on_change="rerun", disabled=not indices,
        help="Thumbnails of the test images: all, or those of the class.",
    )  # fmt: skip
    if not place.open or not indices:
        return
    images = image_sets.test_images(run)
    mixed = np.random.default_rng(0).permutation(indices)  # a folder's images come class by class
    with place:
        shown = page_of(mixed, key=state.BROWSER_PAGE, in_address=False)
        with st.container(width=_WIDTH, height=_HEIGHT):
            thumbnails(
                images, image_sets.test_fingerprint(run), shown, [images.label(int(index)) for index in shown],
                selected=chosen, choice=state.IMAGE_INDEX, noun="test image", key=state.BROWSER_MOSAIC,
                alt=f"{len(shown)} test images",
            )  # fmt: skip
