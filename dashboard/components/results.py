"""What came of a run, as columns of a table."""

from typing import Any

import streamlit as st

from core.follow import summary
from core.runs.run import Run

COLUMNS: dict[str, Any] = {  # of which a table may show some
    "run_id": "Run",
    "state": "State",
    "preset": "Preset",
    "images": "Images",
    "progress": "Epoch",
    "val_accuracy": st.column_config.NumberColumn("Best validation", format="%.1f%%"),
    "test_accuracy": st.column_config.NumberColumn("Test", format="%.1f%%"),
    "step": st.column_config.NumberColumn("Steps", format="localized"),
    "minutes": st.column_config.NumberColumn("Minutes", format="%.1f"),
}


def result(run: Run) -> dict[str, Any]:
    """A value for each of COLUMNS; accuracies in per cent. Raises CoreError."""
    found = summary(run)
    return found | {
        "images": run.data_name,
        "progress": f"{found['epoch']} of {found['num_epochs']}",
        "val_accuracy": _percent(found["val_accuracy"]),
        "test_accuracy": _percent(found["test_accuracy"]),
        "minutes": found["seconds"] / 60 or None,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
