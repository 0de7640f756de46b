"""The network at every epoch of its training: one slider for filters, maps, confusion matrix and probabilities."""

from typing import Literal, get_args

import streamlit as st

from core.errors import CoreError
from core.runs.run import Run
from core.runs.snapshots import Pinned, snapshot_epochs
from dashboard import snapshots, state
from dashboard.components.layer_picker import pick_layer
from dashboard.components.moment import confusion_panel, film_panel, filters_panel, maps_panel, photo_panel
from dashboard.components.run_picker import run_picker
from dashboard.components.status import error_box
from dashboard.components.time_slider import is_playing, time_slider

_PLAY_SECONDS = 0.8
_WATCH_SECONDS = 3.0
TimeScale = Literal["channel", "layer"]


def pick_view(pinned: Pinned, names: tuple[str, ...]) -> tuple[int, str, TimeScale]:
    """Pinned image, layer and colour scale."""
    numbers = pinned.numbers.tolist()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state.check_link(state.PINNED, numbers, "pinned image")
        state.keep_valid(state.PINNED, numbers)
        number = st.segmented_control(
            "Pinned test image", numbers, default=numbers[0], required=True, key=state.PINNED, bind="query-params",
            help="  \n".join(f"**{n}**: {names[label]}" for n, label in zip(numbers, pinned.labels, strict=True))
            + "  \nWhich images are pinned is a setting of a new run.",
        )  # fmt: skip
        layer = pick_layer()
        scale: TimeScale = st.segmented_control(
            "Colour scale per", get_args(TimeScale), default="channel", required=True, key=state.TIME_SCALE,
            bind="query-params",
        )  # fmt: skip
    return numbers.index(number), layer, scale


def look(
    run: Run, pinned: Pinned, names: tuple[str, ...], image: int, layer: str, scale: TimeScale, is_ticking: bool
) -> None:
    """The slider and what it drives."""
    try:
        epochs = snapshot_epochs(run)
        epoch = time_slider(epochs, is_live=run.state.is_active, is_ticking=is_ticking)
        snapshot = snapshots.snapshot(run, epoch)
        num_channels = len(snapshots.maps(run, epoch, layer, image).values)
        state.check_link(state.CHANNEL, range(num_channels), "channel")
        channel = state.chosen_channel(num_channels)
        left, right = st.columns(2)
        with left:
            photo_panel(snapshot, pinned, image, names)
            confusion_panel(snapshot, pinned, names)
            filters_panel(snapshot)
        with right:
            maps_panel(run, epoch, layer, image, scale, channel)
            film_panel(run, epochs, layer, image, channel)
    except CoreError as error:
        error_box(error)


st.title("Time machine")
run = run_picker(lambda run: bool(snapshot_epochs(run)), "No run has snapshots yet; a new run takes one at each epoch.")
if run is None:
    st.stop()
try:
    pinned = snapshots.pinned(run)
except CoreError as error:
    error_box(error)
    st.stop()
names = tuple(run.data["class_names"])
view = pick_view(pinned, names)
seconds = _PLAY_SECONDS if is_playing() else _WATCH_SECONDS if run.state.is_active else None
st.fragment(look, run_every=seconds)(run, pinned, names, *view, is_playing())
