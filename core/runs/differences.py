"""What several runs were started with, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.runs.run import Run


def settings_of(run: Run) -> dict[str, Any]:
    """All fields of its config, and on what "auto" made it run: hardware and number format. Raises RunError."""
    device, precision = run.computed_on
    return run.config.model_dump() | {"device used": device or "unknown", "precision used": precision or "unknown"}


def differing_settings(settings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each setting (the index) that differs between runs, a column of text for each run.

    settings: of each run, by its name; one that a run lacks counts as unset. Empty where all are equal.
    """
    fields = dict.fromkeys(name for values in settings.values() for name in values)
    rows = {name: [values.get(name) for values in settings.values()] for name in fields}
    differing = {name: [_text(value) for value in row] for name, row in rows.items() if any(v != row[0] for v in row)}
    return pd.DataFrame.from_dict(differing, orient="index", columns=list(settings), dtype=str)


def _text(value: object) -> str:
    """As a person would type it; unset is a dash."""
    if value is None or value == ():
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
