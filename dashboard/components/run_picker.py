"""Choose a run and one of its checkpoints; the choice follows the user from page to page."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.errors import CoreError
from core.paths import runs_dir
from core.runs.checkpoints import Checkpoint, available, find_checkpoint
from core.runs.run import Run, RunState, list_runs
from core.wording import before_packing
from dashboard import links, state
from dashboard.components.status import data_with_size, error_box
from dashboard.markdown import plain

_WATCH_SECONDS = 3.0


def checkpoint_picker(*, can_follow: bool = False) -> Checkpoint | None:
    """The checkpoint to look at; None, and a word on what to do next, where there is none.

    can_follow: of a run that trains begin with the last, and offer to draw the page anew with each that it saves.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = run_picker(lambda run: bool(available(run)), "No trained network yet")
        if run is None:
            return None
        choices = available(run)
        is_live = can_follow and run.state.is_active
        links.check_link(state.CHECKPOINT, choices, "checkpoint")
        links.keep_first(state.CHECKPOINT, choices[::-1] if is_live else choices)
        which = st.segmented_control(
            "Checkpoint", choices, key=state.CHECKPOINT, bind="query-params", required=True,
            help="best: of the saved epochs, that of the highest validation accuracy; last: the latest saved weights.",
        )  # fmt: skip
        follows = is_live and st.toggle(
            "Follow", True, key=state.FOLLOW_WEIGHTS, persist_state="session",
            help="Show each new checkpoint of this run as soon as the training saves it.",
        )  # fmt: skip
    try:
        which = which or choices[0]
        checkpoint = find_checkpoint(run, which)
        st.caption(about(checkpoint))
        with st.container():  # there in any case: what comes below keeps its place
            if follows:
                st.fragment(_await_newer, run_every=_WATCH_SECONDS)(checkpoint, which)
    except CoreError as error:
        error_box(error)
        return None
    return checkpoint


def _await_newer(shown: Checkpoint, which: str) -> None:
    """Draw the page anew once the run has saved another checkpoint, or has ended."""
    try:
        newest = find_checkpoint(shown.run, which)
    except CoreError:  # being replaced; the next look will tell
        return
    if newest.fingerprint != shown.fingerprint or not shown.run.state.is_active:
        st.rerun()


def run_picker(fits: Callable[[Run], bool], otherwise: str) -> Run | None:
    """A run among those that fit; None, and a word on what to do next, where none does."""
    everything = {run.id: run for run in list_runs(runs_dir())}
    runs = {run_id: run for run_id, run in everything.items() if fits(run)}
    if not runs:
        _nothing_yet(otherwise)
        return None
    asked = st.query_params.get(state.RUN, "")
    if asked not in runs and asked in everything:
        st.info(f"Run {plain(asked)} has nothing to show here yet; this is another.", icon=":material/schedule:")
    else:
        links.check_link(state.RUN, runs, "run")
    links.keep_first(state.RUN, [preferred(list(runs.values())).id, *runs])
    # No format_func: the address carries what is shown, and a link should carry the plain name. No default, which the
    # address would leave out: a link must open the same run when there are newer ones.
    run_id = st.selectbox(
        "Run", list(runs), index=None, key=state.RUN, bind="query-params", width=340,
        on_change=state.put_back, args=(state.RUN, state.selected_run()),
    )  # fmt: skip
    return runs[run_id or next(iter(runs))]


def preferred(runs: Sequence[Run]) -> Run:
    """Of at least one run the chosen one, else one that trains, else the first; before it was taken back, or died,
    that one has begun, unless none has.
    """
    chosen = state.selected_run()
    found = next((run for run in runs if run.id == chosen), None)
    training = (run for run in runs if run.state in (RunState.RUNNING, RunState.STALLED))
    begun = (run for run in runs if run.state not in (RunState.STOPPED, RunState.INTERRUPTED) or available(run))
    return found or next(training, None) or next(begun, runs[0])


def about(checkpoint: Checkpoint) -> str:
    run = checkpoint.run
    weights = f"weights after step {checkpoint.step:,}" if checkpoint.step else "weights before step 1"
    origin = "Packed run" if run.is_packed else f"Run {run.state.value}"
    words = [origin, data_with_size(run), weights]
    if checkpoint.val_accuracy is not None:
        words.append(f"validation accuracy {checkpoint.val_accuracy:.1%}{before_packing(run)}")
    return " · ".join(words)


def _nothing_yet(what: str) -> None:
    with st.container(border=True):
        st.markdown(f"#### {what}")
        st.markdown(
            "Start a run first: with synthetic shapes the first one takes one to four minutes. "
            "Its network can be opened here as soon as training begins."
        )
        st.page_link("app_pages/train.py", label="Start a run", icon=":material/model_training:")
