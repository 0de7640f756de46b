"""Learn faster or slower from now on: a factor on the learning rate of a run that trains, or will go on."""

import streamlit as st

from core.errors import CoreError
from core.runs.run import Run
from dashboard import state

_FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def rate_control(run: Run, now: float | None) -> None:
    """A button that opens the factors. now: the rate of the last step.

    Buttons, for they have no state that could differ from what the run was asked last, here or elsewhere.
    """
    asked = run.learning_rate_factor or 1.0
    label = "Learning rate" if asked == 1 else f"Learning rate × {asked:g}"
    with st.popover(label, icon=":material/speed:", help="Learn faster or slower from the next step on."):
        st.caption("Multiply the schedule's rate by")
        with st.container(horizontal=True):
            for factor in sorted({*_FACTORS, asked}):
                st.button(
                    f"× {factor:g}", key=f"rate_{factor:g}", type="primary" if factor == asked else "secondary",
                    on_click=_ask, args=(run, factor),
                )  # fmt: skip
        last = "" if now is None else f" The last step's rate was {now:.2g}."
        st.caption(f"From the next step on, also when the run is resumed; the curves show it.{last}")


def _ask(run: Run, factor: float) -> None:
    try:
        run.request_learning_rate_factor(factor)
    except CoreError as error:
        state.leave_message(str(error))
