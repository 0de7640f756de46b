"""What to say of a run that was packed to travel, such as the one that comes with the project."""

import streamlit as st

from core.runs.run import Run
from core.runs.snapshots import snapshot_epochs
from dashboard import state
from dashboard.components.status import source_name


def packed_run(run: Run) -> None:
    """Where it comes from, where to read more, and the pages that open its network."""
    card = run.path / "README.md"
    more = f" More about it: `{run.path.parent.name}/{run.path.name}/{card.name}`." if card.is_file() else ""
    st.markdown("#### A trained network to start with")
    st.markdown(
        f"It was trained on {source_name(run)}, then packed to travel. The figures and curves are of that "
        f"training, before packing; the weights are a compact copy of its best.{more}"
    )
    pages = [("predict", "Let it predict", "image_search"), ("feature_maps", "Look inside it", "grid_view")]
    if snapshot_epochs(run):
        pages.append(("time_machine", "See it learn", "history"))
    with st.container(horizontal=True):
        for page, label, icon in pages:
            st.page_link(
                f"app_pages/{page}.py", label=label, icon=f":material/{icon}:", width="content",
                query_params={state.RUN: run.id},
            )  # fmt: skip
