"""Choose what a picture is to climb to: a channel or a class; and from which noise, for how long."""

import streamlit as st

from core.inspection.feature_maps import num_channels
from core.inspection.maximization import STEPS, Channel, Class, Goal
from core.runs.checkpoints import Checkpoint
from dashboard import links, state
from dashboard.components.layer_picker import pick_channel, pick_layer

_KINDS = ("channel", "class")
_STEPS = (32, 64, 128, 256)
_SEEDS = 1000


def goal_picker(checkpoint: Checkpoint) -> Goal:
    """What is not chosen from is disabled, not hidden: a widget keeps its part of the address while it is drawn."""
    names = checkpoint.class_names
    with st.container(horizontal=True, vertical_alignment="bottom"):
        links.check_link(state.GOAL, _KINDS, "kind of goal")
        kind = st.segmented_control(
            "Goal", _KINDS, default="channel", required=True, key=state.GOAL, bind="query-params"
        )
        layer = pick_layer(disabled=kind != "channel")
        count = num_channels(layer)
        channel = pick_channel(count, disabled=kind != "channel")
        links.check_link(state.GOAL_CLASS, names, "class")
        state.keep_valid(state.GOAL_CLASS, names, names[0])
        name = st.selectbox(
            "Class", names, key=state.GOAL_CLASS, bind="query-params", width=180, disabled=kind != "class"
        )
    return Channel(layer, channel) if kind == "channel" else Class(names.index(name))


def effort_picker() -> tuple[int, int]:
    """Seed and number of steps."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        links.check_link(state.SEED, range(_SEEDS), "seed")
        seed = st.number_input(
            "Seed", 0, _SEEDS - 1, step=1, key=state.SEED, bind="query-params", width=120,
            help="Another seed starts from other noise and finds another picture.",
        )  # fmt: skip
        links.check_link(state.STEPS, _STEPS, "number of steps")
        steps = st.segmented_control(
            "Steps", _STEPS, default=STEPS, required=True, key=state.STEPS, bind="query-params"
        )
    return int(seed), steps
