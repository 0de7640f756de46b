"""Which channels of a layer are switched off: by number, as a group, or those that a ranking shows to matter."""

import random
from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.errors import CoreError, InspectionError
from core.inspection.ablation import format_channels, parse_channels, strongest
from core.inspection.feature_maps import num_channels
from core.inspection.mosaic import silent_channels
from core.runs.checkpoints import Checkpoint
from dashboard import cache, experiments, state, surveys
from dashboard.components.counting import counting
from dashboard.components.layer_picker import pick_layer
from dashboard.components.status import error_box
from dashboard.images import Chosen
from dashboard.markdown import plain

_STRONGEST = 10
_RANKED = 10
_GROUPS = {
    "None": "Everything on again.",
    "One at random": "Any channel of the layer.",
    "Half at random": "Half of the layer's channels.",
    "Strongest": f"The {_STRONGEST} that respond most to this picture, by the mean of their map.",
    "Silent": "Those that hardly respond to this picture.",
    "Dead": "Those that respond to no test image, as the channel atlas says.",
}


def channels_off(checkpoint: Checkpoint, image: Chosen) -> tuple[str, tuple[int, ...]]:
    """The layer and its channels that are off; none where what was written can't be read."""
    layer = pick_layer()
    last = num_channels(layer) - 1
    text = st.text_input(
        f"Channels of {layer} switched off, 0 to {last}", key=state.OFF, bind="query-params", max_chars=2000,
        placeholder="3, 17, 40-47", help="Their maps are 0 after the ReLU, as if their filters were not there.",
    )  # fmt: skip
    with st.container(horizontal=True):
        for group, about in _GROUPS.items():
            st.button(group, key=f"off_{group}", on_click=_choose, args=(group, checkpoint, image, layer), help=about)
    if message := state.take_message():
        st.warning(plain(message), icon=":material/info:")
    try:
        return layer, parse_channels(text or "", layer)
    except CoreError as error:
        error_box(error)
        return layer, ()


def ranking(checkpoint: Checkpoint, image: Chosen, layer: str) -> None:
    """Which single channels of the layer the predicted class hangs on most; a click switches one off."""
    pressed = st.button(
        "Which single channel matters most?", icon=":material/leaderboard:", key="rank",
        help=f"Switches off each channel of {layer} alone, on this picture: a few seconds on a laptop.",
    )  # fmt: skip
    try:
        if pressed:
            with counting(f"active channels of {layer}") as on_batch:
                experiments.compute_effects(checkpoint, image, layer, on_batch)
        found = experiments.effects(checkpoint, image, layer)
        if found is None:
            return
        whole = experiments.without(checkpoint, image, {})
    except CoreError as error:
        error_box(error)
        return
    change = (found - whole.probabilities)[:, int(whole.probabilities.argmax())]
    st.caption(
        f"Of {layer}, each alone: by how many percentage points the probability of **{plain(whole.label)}** changes. "
        "Click to switch it off, or on again."
    )
    with st.grid(5, min_column_width=100, gap="small"):
        for channel in np.argsort(-np.abs(change), kind="stable")[:_RANKED].tolist():
            st.button(
                f"{channel}: {change[channel] * 100:+.1f}", key=f"ranked_{channel}", on_click=_turn,
                args=(channel, layer), width="stretch",
            )  # fmt: skip


def _turn(channel: int, layer: str) -> None:
    """Switch one channel off, or on again where it is off."""
    try:
        before = set(parse_channels(st.session_state.get(state.OFF) or "", layer))
    except CoreError:
        before = set()
    state.choose(state.OFF, format_channels(before ^ {channel}))


def _choose(group: str, checkpoint: Checkpoint, image: Chosen, layer: str) -> None:
    try:
        state.choose(state.OFF, format_channels(_members(group, checkpoint, image, layer)))
    except CoreError as error:
        state.leave_message(str(error))


def _members(group: str, checkpoint: Checkpoint, image: Chosen, layer: str) -> Sequence[int]:
    count = num_channels(layer)
    if group == "One at random":
        return [random.randrange(count)]
    if group == "Half at random":
        return random.sample(range(count), count // 2)
    if group == "Strongest":
        return strongest(cache.maps(checkpoint, image, layer, "relu"), _STRONGEST)
    if group == "Silent":
        return silent_channels(cache.maps(checkpoint, image, layer, "relu"))
    if group == "Dead":
        atlas = surveys.atlas(checkpoint)
        if atlas is None:
            raise InspectionError("Dead channels are known once the channel atlas was computed, on Feature maps.")
        return np.flatnonzero(atlas.layers[layer].dead).tolist()
    return []
