"""Start a run, watch it learn, stop it, go on with it."""

import streamlit as st

from core.paths import runs_dir
from core.runs.run import Run, list_runs
from dashboard import links, state
from dashboard.components.live_run import live_run
from dashboard.components.new_run import new_run
from dashboard.components.queue import queue
from dashboard.components.run_picker import preferred
from dashboard.components.run_table import run_table
from dashboard.markdown import plain

_TICK_SECONDS = 2.0  # each takes the training about a tenth of a second where it has all of two cores
_WATCH_SECONDS = 3.0


def signature(runs: list[Run]) -> list[tuple[str, str, int]]:
    """What the table of the runs shows of them; of one that trains it changes from epoch to epoch."""
    states = [(run, run.state) for run in runs]
    return [(run.id, now.value, run.progress.epoch if now.is_active else 0) for run, now in states]


@st.fragment(run_every=_WATCH_SECONDS)
def watch(before: list[tuple[str, str, int]]) -> None:
    """Learn of runs that another tab, or another process, started or ended, and of another epoch."""
    if signature(list_runs(runs_dir())) != before:
        st.rerun()


st.title("Train")
if message := state.take_message():
    st.warning(plain(message))
runs = list_runs(runs_dir())
before = signature(runs)  # what changes while the page is drawn has to be noticed too
links.keep_run([run.id for run in runs])
run = preferred(runs) if runs else None
is_first_visit = all(run.is_packed for run in runs)
if is_first_visit:
    st.markdown(
        "Watch the 2012 AlexNet learn. Synthetic shapes need no download; the first run takes one to four minutes."
    )
form = st.expander("New run", icon=":material/add:", expanded=is_first_visit, key=state.NEW_RUN, on_change="rerun")
if form.open:
    with form:
        new_run()
if run is not None:
    now = run.state
    st.fragment(live_run, run_every=_TICK_SECONDS if now.is_active else None)(run, now)
    queue()
    if len(runs) > 1 or not is_first_visit:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.markdown("#### Runs", width="content")
            st.page_link("app_pages/compare.py", label="Compare their curves", icon=":material/stacked_line_chart:")
        run_table(runs)
watch(before)
