"""The runs that wait for their turn, each with a way to take it back."""

import streamlit as st

from core.errors import CoreError
from core.runs.run import Run
from core.training import jobs
from dashboard import state
from dashboard.components.status import source_name
from dashboard.markdown import plain


def queue() -> None:
    """The next one first; nothing where none waits in this process."""
    waiting = jobs.waiting()
    if not waiting:
        return
    st.markdown("#### Queue")
    for number, run in enumerate(waiting, start=1):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{number}\\. **{plain(run.id)}**", width="content")
            st.caption(f"{run.config.preset} · {source_name(run)}", width="content")
            st.button(
                "Cancel", icon=":material/close:", key=f"cancel_{run.id}", type="tertiary", on_click=_cancel,
                args=(run,), help="Takes it out of the queue; it can begin another time.",
            )  # fmt: skip


def _cancel(run: Run) -> None:
    try:
        jobs.stop(run)
    except CoreError as error:
        state.leave_message(str(error))
