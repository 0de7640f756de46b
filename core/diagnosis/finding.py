"""One thing that a training's metrics show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that the metrics show. Sentences in plain text; advice is empty where there is nothing to do."""

    name: str
    evidence: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.name}. {self.evidence} {self.advice}".rstrip()
