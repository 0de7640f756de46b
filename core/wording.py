"""Figures and facts as people say them, the same on pages and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.runs.metrics import RateChange
from core.runs.run import Run


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def file_size(num_bytes: int) -> str:
    """Bytes as people say them: 12.3 kB, 233.3 MB."""
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 100_000 else f"{num_bytes / 1e3:,.1f} kB"


def answers_to_a_copy(run: Run) -> str:
    """Follows a word on a run's kept answers, where getting the images will not bring back those that it was asked."""
    if not run.data_name.startswith("a copy of "):
        return ""
    return " They are answers to a copy of these images: once the originals are here, they are judged anew on a click."


def stopped_early(events: Iterable[Mapping[str, Any]]) -> str:
    """Why a run ended before its last epoch though nobody stopped it; "" where it did not."""
    for event in events:
        if event.get("event") == "early stop":
            return (
                f"Ended early, after epoch {event['epoch']}: no higher validation accuracy since epoch "
                f"{event['best_epoch']}."
            )
    return ""


def changed_rate(changes: Iterable[RateChange]) -> str:
    """How somebody changed the learning rate while the run trained; "" where nobody did."""
    listed = ", ".join(f"× {change.factor:g} from step {change.step + 1:,} on" for change in changes)
    return f"The learning rate was changed by hand: {listed}." if listed else ""


def before_packing(run: Run) -> str:
    """Follows an accuracy that the training left: a packed run has other weights than those that were judged."""
    return " before packing" if run.is_packed else ""
