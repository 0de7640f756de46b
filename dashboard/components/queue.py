"""The runs that wait for their turn, each with a way to take it back."""

import streamlit as st

from core.errors import CoreError
from core.runs.run import Run
from core.training import jobs
from dashboard import state
from dashboard.components.status import error_box, source_name
from dashboard.markdown import plain


def queue() -> None:
    """The next one first; nothing where none waits in this process."""
    waiting = jobs.waiting()
    with st.container():  # there in any case: what comes below keeps its place
        if waiting:
            st.markdown("#### Queue")
        for number, run in enumerate(waiting, start=1):
            _row(number, run)


def _row(number: int, run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{number}\\. **{plain(run.id)}**", width="content")
        try:
            st.caption(f"{run.config.preset} · {source_name(run)}", width="content")
        except CoreError as error:  # its folder was deleted by hand
            error_box(error)
        st.button(
            "Cancel", icon=":material/close:", key=f"cancel_{run.id}", type="tertiary", on_click=stop, args=(run,),
            help="Takes it out of the queue; it can begin another time.",
        )  # fmt: skip


def stop(run: Run) -> None:
    """Ask a run to stop, or to leave the queue; what is in the way is said by the next drawing of the page."""
    try:
        jobs.stop(run)
    except CoreError as error:
        state.leave_message(str(error))
