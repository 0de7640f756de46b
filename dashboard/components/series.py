"""Several runs in turn: which settings to vary, and the values to try."""

from typing import get_args

import streamlit as st

from core.config import TrainConfig, field_help
from core.variations import VARIED, variations
from dashboard import state


def pick_series(config: TrainConfig) -> dict[str, TrainConfig]:
    """The runs to start, by what tells them apart; `config` alone where nothing is varied. Raises ConfigError."""
    with st.expander("Try several values", icon=":material/stacks:"):
        names = st.multiselect(
            "Settings to vary", VARIED, key=state.VARIED, persist_state="session", max_selections=3,
            format_func=_label, placeholder="None: a single run",
            help="Every combination of the values becomes a run of its own. They train one after the other.",
        )  # fmt: skip
        if names:
            with st.grid(3, min_column_width=200):
                for name in names:
                    st.text_input(
                        f"Values of {_label(name)}", key=state.values_of(name), persist_state="session",
                        placeholder=_examples(config, name), help=field_help(name),
                    )  # fmt: skip
    return chosen_series(config)


def chosen_series(config: TrainConfig) -> dict[str, TrainConfig]:
    """As pick_series, from what its widgets hold at this moment."""
    names = st.session_state.get(state.VARIED, ())
    return variations(config, {name: st.session_state.get(state.values_of(name)) or "" for name in names})


def _examples(config: TrainConfig, name: str) -> str:
    """All values, where they can be listed, else the one that is set."""
    choices = get_args(TrainConfig.model_fields[name].annotation)
    is_list = all(isinstance(choice, str) for choice in choices) and choices
    return ", ".join(choices) if is_list else f"{getattr(config, name)}, …"


def _label(name: str) -> str:
    return name.replace("_", " ")
