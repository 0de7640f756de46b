"""Where a run stands, as its writer last said: progress.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

WAITING = "waiting"  # the phase of a run whose turn to be trained has not come


@dataclass(frozen=True)
class Progress:
    """Where a run stands, at most a second old while it runs.

    phase: waiting | loading | training | validating | testing | saving. loaded: share of the data set read, 0..1.
    step: training steps done, of num_steps. epoch: the one under way, the last one after the end, of num_epochs; 0
    before the first step. seconds: training time so far, over all attempts. heartbeat: seconds since 1970.
    images_per_second: of recent steps; eta_seconds: until the end; memory_bytes: in use. 0 where not known yet.
    full_size_images_per_second: the pace of one process if every input were of full size; 0 where several share the
    work. device, precision: on and in which it is computed now; a resume may change them.
    """

    phase: str = "loading"
    message: str = ""
    step: int = 0
    num_steps: int = 0
    epoch: int = 0
    num_epochs: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    full_size_images_per_second: float = 0.0
    eta_seconds: float = 0.0
    memory_bytes: int = 0
    device: str = ""
    precision: str = ""
    loaded: float = 0.0
    heartbeat: float = 0.0

    @property
    def steps_per_epoch(self) -> float:
        """1 where it isn't known yet."""
        return self.num_steps / self.num_epochs if self.num_epochs else 1.0

    @property
    def fraction(self) -> float:
        """0..1, of the loading while that lasts, else of the training."""
        return min(self.step / self.num_steps, 1.0) if self.num_steps else self.loaded

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Progress:
        """What `content` has of it; the rest as at the beginning."""
        usable = {f.name: content[f.name] for f in fields(Progress) if _same_kind(content.get(f.name), f.default)}
        return Progress(**usable)

    def without_pace(self) -> Progress:
        """The same without what is true on one machine at one time only."""
        return replace(self, images_per_second=0.0, full_size_images_per_second=0.0, eta_seconds=0.0)


def _same_kind(value: object, like: object) -> bool:
    """Whether `value` can stand where `like` does: text for text, a number for a number."""
    numbers = (int, float)
    return isinstance(value, numbers if isinstance(like, numbers) else type(like))
