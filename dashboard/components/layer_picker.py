"""Choose a convolution layer, one of its stages, one of its channels: the same on every page."""

from collections.abc import Sequence

import streamlit as st

from core.inspection.feature_maps import STAGES, stages_of
from core.model import CONV_LAYERS
from dashboard import links, state


def pick_layer(layers: Sequence[str] = CONV_LAYERS, *, disabled: bool = False) -> str:
    """One of `layers`. Another one lets go of the pinned unit: the same row is another place there."""
    links.check_link(state.LAYER, layers, "layer")
    state.keep_valid(state.LAYER, layers, "conv1")
    layer: str = st.segmented_control(
        "Layer", layers, default="conv1", required=True, key=state.LAYER, bind="query-params",
        on_change=state.pin_unit, disabled=disabled,
    )  # fmt: skip
    return layer


def pick_stage(layer: str) -> str:
    """conv, relu, and lrn and pool where the layer has them."""
    stages = stages_of(layer)
    links.check_link(state.STAGE, stages, "stage")
    state.keep_valid(state.STAGE, stages, "relu")
    # No format_func here: the address carries what is shown.
    stage: str = st.segmented_control(
        "Stage", stages, default="relu", required=True, key=state.STAGE, bind="query-params",
        on_change=state.pin_unit, help="  \n".join(f"**{stage}**: {STAGES[stage]}" for stage in stages),
    )  # fmt: skip
    return stage


def pick_channel(count: int, *, disabled: bool = False) -> int:
    """One of `count` channels, by number."""
    links.check_link(state.CHANNEL, range(count), "channel")
    state.keep_below(state.CHANNEL, count)
    return int(
        st.number_input(
            f"Channel, 0 to {count - 1}", 0, count - 1, step=1, key=state.CHANNEL, bind="query-params", width=150,
            disabled=disabled,
        )
    )  # fmt: skip
