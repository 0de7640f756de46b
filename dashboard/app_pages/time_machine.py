"""The network as it was on its way: one slider for filters, maps, confusion matrix and probabilities."""

import streamlit as st

from core.errors import CoreError
from core.inspection.feature_maps import num_channels
from core.runs.run import Run
from core.runs.snapshots import Pinned, read_pinned, read_snapshot, snapshot_epochs
from dashboard import links, snapshots, state
from dashboard.components.channel_choice import ColorScale, pick_scale
from dashboard.components.layer_picker import pick_channel, pick_layer
from dashboard.components.moment import confusion_panel, film_panel, filters_panel, maps_panel, photo_panel
from dashboard.components.run_picker import run_picker
from dashboard.components.status import error_box
from dashboard.components.time_slider import is_playing, time_slider
from dashboard.markdown import plain

_PLAY_SECONDS = 0.8
_WATCH_SECONDS = 3.0


def pick_view(pinned: Pinned, names: tuple[str, ...]) -> tuple[int, str, ColorScale]:
    """Pinned image, layer and colour scale."""
    classes = [plain(names[label]) for label in pinned.labels]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        links.check_link(state.PINNED, pinned.names, "pinned image")
        state.keep_valid(state.PINNED, pinned.names, pinned.names[0])
        image = st.segmented_control(
            "Pinned image", pinned.names, default=pinned.names[0], required=True, key=state.PINNED, bind="query-params",
            help="  \n".join(f"**{pin}**: {name}" for pin, name in zip(pinned.names, classes, strict=True))
            + "  \nNumbers are those of test images. Which images are pinned is a setting of a new run.",
        )  # fmt: skip
        return pinned.names.index(image), pick_layer(), pick_scale()


def look(run: Run, pinned: Pinned, names: tuple[str, ...], image: int, layer: str, scale: ColorScale, is_live: bool,
         is_ticking: bool) -> None:  # fmt: skip
    """The slider and what it drives. A run that ended, or went, asks for another page."""
    epochs = snapshot_epochs(run)
    if not epochs or run.state.is_active is not is_live:
        st.rerun()
    try:
        epoch = time_slider(epochs, is_live=is_live, is_ticking=is_ticking)
        snapshot = read_snapshot(run, epoch)
        left, right = st.columns(2)
        with left:
            photo_panel(snapshot, pinned, image, names)
            confusion_panel(snapshot, pinned, names)
            filters_panel(snapshot, pinned.images.shape[1])
        with right:
            channel = pick_channel(num_channels(layer))
            maps_panel(run, epoch, layer, image, scale, channel)
            film_panel(run, epochs, layer, image, channel)
    except CoreError as error:
        error_box(error)


st.title("Time machine")
st.markdown("The network as it was on its way: one slider moves filters, feature maps, answers and mistakes.")
run = run_picker(
    lambda run: bool(snapshot_epochs(run)), "No run has snapshots yet; a new run takes them from its start on."
)
if run is None:
    st.stop()
try:
    pinned, names = read_pinned(run), snapshots.class_names(run)
except CoreError as error:
    error_box(error)
    st.stop()
if run.is_packed:
    st.caption("What the network was like while it learnt; the weights that the other pages open are a compact copy.")
view = pick_view(pinned, names)
live = run.state.is_active
seconds = _PLAY_SECONDS if is_playing() else _WATCH_SECONDS if live else None
st.fragment(look, run_every=seconds)(run, pinned, names, *view, live, is_playing())
