"""Delete a run that nobody needs any more."""

import streamlit as st

from core.errors import CoreError
from core.files import num_bytes
from core.runs.deletion import delete_run
from core.runs.run import Run
from core.wording import file_size
from dashboard import state
from dashboard.markdown import plain


def delete_control(run: Run) -> None:
    """A button that says what would go, and asks."""
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(f"{plain(run.id)} with its weights and all that it recorded, {file_size(num_bytes(run.path))}.")
        st.button("Delete for good", icon=":material/delete_forever:", key="delete", on_click=_delete, args=(run,))


def _delete(run: Run) -> None:
    try:
        delete_run(run)
    except CoreError as error:
        state.leave_message(str(error))
    else:
        state.leave_message(f"Run {run.id} is deleted.")
