"""A place in memory for one thing that takes long to compute, the same for all viewers; bounded."""

import threading
from dataclasses import dataclass, field
from typing import Any

import streamlit as st


@dataclass
class Slot:
    """Filled from outside: a cached function could not draw its progress meanwhile.

    found: the thing, None until it is there. done: how far whoever computes it is. lock: theirs while they do.
    """

    found: Any | None = None
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@st.cache_resource(max_entries=256, show_spinner=False)
def slot(*key: Any) -> Slot:  # noqa: ARG001 - the cache's key
    """The slot of that key, empty at first."""
    return Slot()
