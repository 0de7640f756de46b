"""What came of a run, as columns of a table."""

from typing import Any

import streamlit as st

from core.follow import summary
from core.runs.run import Run

COLUMNS: dict[str, Any] = {
    "run_id": "Run",
    "state": "State",
    "val_accuracy": st.column_config.NumberColumn("Best validation", format="%.1f %%"),
    "test_accuracy": st.column_config.NumberColumn("Test", format="%.1f %%"),
    "minutes": st.column_config.NumberColumn("Minutes", format="%.1f"),
}


def result(run: Run) -> dict[str, Any]:
    """core.follow.summary, with accuracies in per cent and the time in minutes. Raises CoreError."""
    found = summary(run)
    accuracies = {
        name: None if found[name] is None else 100 * found[name] for name in ("val_accuracy", "test_accuracy")
    }
    return found | accuracies | {"minutes": found["seconds"] / 60 or None}
