"""The learning rate that somebody asks for while a run trains: a factor on its schedule, on record with its step."""

from __future__ import annotations

from core.runs.metrics import RateChange, with_change
from core.runs.writer import RunWriter


class LiveRate:
    """The factors over the steps of a run. A resumed run repeats its steps with the factors that they had."""

    def __init__(self, changes: list[RateChange]) -> None:
        self._changes = changes

    def factor(self, writer: RunWriter, step: int, asked: float) -> float:
        """That for the step after `step` done ones; `asked` is the latest that somebody asked for, 0 where nobody did.

        A new one counts from this step on, and is logged.
        """
        if asked and asked != (self._changes[-1].factor if self._changes else 1.0):
            self._changes = with_change(self._changes, RateChange(step, asked))
            writer.log("event", event="learning rate", step=step, factor=asked)
        return next((change.factor for change in reversed(self._changes) if change.step <= step), 1.0)
