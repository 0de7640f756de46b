"""Metrics as CSV: one table a file, as a spreadsheet or pandas.read_csv opens it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from core.errors import ExportError
from core.export.files import whole
from core.runs.metrics import MetricsReader
from core.runs.run import Run

Table = Literal["epochs", "steps"]
_EPOCH_COLUMNS = ("epoch", "step", "seconds", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def export_csv(run: Run, table: Table, path: Path) -> None:
    """Write a row per epoch or per step, with a header, in UTF-8; what isn't known is an empty cell.

    steps: the columns of core.runs.metrics.STEP_COLUMNS. epochs: epoch, step, seconds (of training), losses (nats),
    accuracies (0..1) and, for each class, "val_accuracy of <class>". Raises ExportError where there is no row yet, or
    the file can't be written.
    """
    reader = MetricsReader(run.path)
    frame = step_table(reader) if table == "steps" else epoch_table(reader.epochs(), run.data.get("class_names", ()))
    if frame.empty:
        raise ExportError(f"Run {run.id!r} has logged no {table} yet; try again a little later.")
    with whole(path) as temporary:
        frame.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def step_table(reader: MetricsReader) -> pd.DataFrame:
    """A row per logged step; step and epoch are whole numbers."""
    return pd.DataFrame(reader.steps()).astype({"step": "int64", "epoch": "int64"})


def epoch_table(epochs: Sequence[dict[str, Any]], class_names: Sequence[str]) -> pd.DataFrame:
    """A row per epoch: its figures, then the validation accuracy of each class."""
    rows = []
    for record in epochs:
        each = zip(class_names, record["val_per_class_accuracy"], strict=False)
        row = {name: record[name] for name in _EPOCH_COLUMNS}
        rows.append(row | {f"val_accuracy of {name}": accuracy for name, accuracy in each})
    return pd.DataFrame(rows)
