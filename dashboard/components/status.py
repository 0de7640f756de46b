"""How a run stands, in one line; how an error is said."""

from typing import Literal

import streamlit as st

from core.errors import CoreError
from core.runs.progress import Progress
from core.runs.run import Run, RunState
from core.wording import duration
from dashboard.markdown import plain

# Said beside long work: a fragment goes on to its end where the choice is one of its own.
STAY = "Stay on this page: choosing something else stops it."
STAY_IN_FRAGMENT = "Stay on this page: a choice at its top stops it, one further down waits for it."
_BADGES: dict[RunState, tuple[Literal["green", "orange", "blue", "gray", "red"], str]] = {
    RunState.WAITING: ("gray", ":material/schedule:"),
    RunState.RUNNING: ("green", ":material/play_circle:"),
    RunState.STALLED: ("orange", ":material/hourglass_empty:"),
    RunState.FINISHED: ("blue", ":material/check_circle:"),
    RunState.STOPPED: ("gray", ":material/stop_circle:"),
    RunState.FAILED: ("red", ":material/error:"),
    RunState.INTERRUPTED: ("orange", ":material/power_off:"),
}


def status_line(run: Run, state: RunState) -> None:
    """State, name, data and device of a run."""
    color, icon = _BADGES[state]
    config, device = run.config, run.computed_on[0] or "unknown device"
    with st.container(horizontal=True, vertical_alignment="center", key="status"):
        st.badge(state.value.capitalize(), color=color, icon=icon)
        st.markdown(f"**{plain(run.id)}**")
        st.caption(f"{config.preset} · {data_with_size(run)} · {plain(device)}")


def data_with_size(run: Run) -> str:
    """Name and size of the run's data."""
    counts = run.data.get("counts")
    return f"{source_name(run)}, {counts['train']:,} training images" if counts else source_name(run)


def source_name(run: Run) -> str:
    """The run's data as a person would say it; a folder's name is the user's own, and no Markdown."""
    name = run.data_name
    return plain(name) if run.config.data_source == "folder" else name


def progress_line(progress: Progress) -> str:
    """Epoch, step, pace and time left as one sentence."""
    words = [progress.message or progress.phase.capitalize()]
    if progress.num_steps:
        words.append(f"step {progress.step:,} of {progress.num_steps:,}")
    if progress.images_per_second and progress.phase == "training":
        words.append(f"{progress.images_per_second:,.0f} images/s")
    if progress.eta_seconds:
        words.append(f"about {duration(progress.eta_seconds)} left")
    return " · ".join(words)


def error_box(error: CoreError) -> None:
    """An error that the user can do something about."""
    st.error(plain(error), icon=":material/error:")
