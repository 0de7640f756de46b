"""All runs in a table; a click shows one."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import CoreError
from core.follow import summary
from core.runs.run import Run, RunState
from core.training import jobs
from dashboard import state
from dashboard.markdown import plain

_COLUMNS: dict[str, Any] = {
    "run_id": "Run",
    "state": "State",
    "preset": "Preset",
    "images": "Images",
    "progress": "Epoch",
    "val_accuracy": st.column_config.NumberColumn("Best validation", format="percent"),
    "test_accuracy": st.column_config.NumberColumn("Test", format="percent"),
    "minutes": st.column_config.NumberColumn("Minutes", format="%.1f"),
}


def run_table(runs: list[Run]) -> None:
    """The newest first; selecting a row shows that run."""
    rows = []
    turns = {run.id: number for number, run in enumerate(jobs.waiting(), start=1)}
    for run in runs:
        try:
            row = summary(run)
        except CoreError as error:
            st.caption(f":material/warning: {plain(error)}")
        else:
            progress = f"{row['epoch']} of {row['num_epochs']}"
            is_waiting = row["state"] == RunState.WAITING and run.id in turns
            turn = f"{row['state']}, number {turns[run.id]}" if is_waiting else row["state"]
            minutes = row["seconds"] / 60 or None
            rows.append(row | {"state": turn, "progress": progress, "images": run.data_name, "minutes": minutes})
    run_ids = [row["run_id"] for row in rows]
    key = state.run_table(run_ids)
    st.dataframe(
        pd.DataFrame(rows, columns=list(_COLUMNS)), column_config=_COLUMNS, hide_index=True, key=key,
        on_select=lambda: _show(key, run_ids), selection_mode="single-row",
        placeholder="–", alt=f"{len(rows)} runs with their state and accuracy",
    )  # fmt: skip


def _show(key: str, run_ids: list[str]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen:
        state.select_run(run_ids[chosen[0]])
