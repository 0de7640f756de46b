"""A progress bar while something countable is done; it goes when that is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be called with (done, total)."""
    bar = st.progress(0.0, f"Starting: {what}")

    def on_batch(done: int, total: int) -> None:
        bar.progress(done / total, f"{done:,} of {total:,} {what}")

    yield on_batch
    bar.empty()
