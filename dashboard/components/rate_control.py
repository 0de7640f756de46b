"""Learn faster or slower from now on: a factor on the learning rate of a run that trains."""

from functools import partial

import streamlit as st

from core.errors import CoreError
from core.runs.run import Run
from dashboard import state

_FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def rate_control(run: Run, now: float | None) -> None:
    """A button that opens the factors. now: the rate of the last step. Another tab may have asked for one as well."""
    key = state.rate_factor(run.id)
    factor = st.session_state[key] = run.learning_rate_factor or 1.0
    label = "Learning rate" if factor == 1 else f"Learning rate × {factor:g}"
    with st.popover(label, icon=":material/speed:", help="Learn faster or slower from the next step on."):
        st.select_slider(
            "Multiply the schedule's rate by", sorted({*_FACTORS, factor}), key=key,
            format_func=lambda value: f"× {value:g}", on_change=partial(_ask, run, key),
        )  # fmt: skip
        last = "" if now is None else f" The last step's rate was {now:.2g}."
        st.caption(f"From the next step on, also when the run is resumed; the curves show it.{last}")


def _ask(run: Run, key: str) -> None:
    try:
        run.request_learning_rate_factor(st.session_state[key])
    except CoreError as error:
        state.leave_message(str(error))
