"""All runs in a table; a click shows one."""

import pandas as pd
import streamlit as st

from core.errors import CoreError
from core.runs.run import Run, RunState
from core.training import jobs
from dashboard import state
from dashboard.components.results import COLUMNS, result
from dashboard.markdown import plain

_COLUMNS = ["run_id", "state", "preset", "images", "progress", "val_accuracy", "test_accuracy", "minutes"]


def run_table(runs: list[Run]) -> None:
    """The newest first; selecting a row shows that run."""
    rows = []
    turns = {run.id: number for number, run in enumerate(jobs.waiting(), start=1)}
    for run in runs:
        try:
            row = result(run)
        except CoreError as error:
            st.caption(f":material/warning: {plain(error)}")
        else:
            is_waiting = row["state"] == RunState.WAITING and run.id in turns
            turn = f", number {turns[run.id]}" if is_waiting else ""
            rows.append(row | {"state": row["state"] + turn})
    run_ids = [row["run_id"] for row in rows]
    key = state.run_table(run_ids)
    st.dataframe(
        pd.DataFrame(rows, columns=_COLUMNS), column_config=COLUMNS, hide_index=True, key=key,
        on_select=lambda: _show(key, run_ids), selection_mode="single-row",
        placeholder="–", alt=f"{len(rows)} runs with their state and accuracy",
    )  # fmt: skip


def _show(key: str, run_ids: list[str]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen:
        state.select_run(run_ids[chosen[0]])
