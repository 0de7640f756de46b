"""The other side of a comparison: which checkpoint, and what the two can tell each other."""

import streamlit as st

from core.errors import CoreError
from core.paths import runs_dir
from core.runs.checkpoints import Checkpoint, available, find_checkpoint
from core.runs.run import list_runs
from dashboard import links, state
from dashboard.components.run_picker import about
from dashboard.components.status import data_with_size, error_box
from dashboard.markdown import some


def second_checkpoint_picker(first: Checkpoint) -> Checkpoint | None:
    """What to compare `first` with: another run, by default, else the other checkpoint of the same run."""
    runs = {run.id: run for run in list_runs(runs_dir()) if available(run)} | {first.run.id: first.run}
    newest, *others = runs
    # The default stands first: the second newest run, never the same run.
    names = sorted([*others, newest], key=lambda name: name == first.run.id)
    links.check_link(state.RUN_B, names, "run")
    links.keep_first(state.RUN_B, names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # No default, as in the picker of A: a link must open the same run when there are newer ones.
        name = st.selectbox(
            "Run", names, index=None, key=state.RUN_B, bind="query-params", width=340,
            on_change=state.put_back, args=(state.RUN_B, state.chosen(state.RUN_B)),
        )  # fmt: skip
        run = runs[name or names[0]]
        choices = available(run)
        same = run.id == first.run.id
        default = next((which for which in choices if not (same and which == state.chosen_checkpoint())), choices[0])
        links.check_link(state.CHECKPOINT_B, choices, "checkpoint")
        links.keep_first(state.CHECKPOINT_B, [default, *choices])
        which = st.segmented_control("Checkpoint", choices, key=state.CHECKPOINT_B, bind="query-params", required=True)
    try:
        checkpoint = find_checkpoint(run, which or default)
        st.caption(about(checkpoint))
    except CoreError as error:
        error_box(error)
        return None
    return checkpoint


def what_compares(a: Checkpoint, b: Checkpoint) -> None:
    """In a sentence each: whether channels correspond, and what another data set means."""
    if a.fingerprint == b.fingerprint:
        st.caption(
            ":material/info: A and B are the same weights: choose another run or checkpoint to see a difference."
        )
    elif a.run.id == b.run.id:
        st.caption(
            ":material/info: Two checkpoints of one run: a number names the same channel in both, "
            f"{abs(a.step - b.step):,} steps apart."
        )
    else:
        st.caption(
            ":material/info: Two runs: channels of networks trained separately don't correspond by number, so the "
            "difference says where the maps differ, not how a channel changed."
        )
    if a.class_names != b.class_names:
        st.caption(
            f":material/warning: B knows other classes ({some(b.class_names)}), and can only answer with one of "
            "them. The maps are compared all the same."
        )
    elif a.run.data.get("fingerprint") != b.run.data.get("fingerprint"):
        st.caption(
            f":material/warning: The test images are those of A. B was trained on other data, {data_with_size(b.run)}: "
            "it may have seen this picture, or nothing like it."
        )
    sizes = a.input_spec.image_size, b.input_spec.image_size
    if sizes[0] != sizes[1]:
        st.caption(
            f":material/info: Before it is stretched to 227 pixels, A brings a picture to {sizes[0]} pixels, B to "
            f"{sizes[1]}."
        )
