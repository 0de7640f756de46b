"""What to say of a run that came with the project."""

import streamlit as st

from core.runs.run import Run
from dashboard.components.status import source_name


def packed_run(run: Run) -> None:
    """Where it comes from, where to read more, and the pages that open its network."""
    card = run.path / "README.md"
    more = f" More about it: `{run.path.parent.name}/{run.path.name}/{card.name}`." if card.is_file() else ""
    st.markdown("#### A trained network to start with")
    st.markdown(
        f"It comes with the project and was trained on {source_name(run)}. The curves show that training; the weights "
        f"are a compact copy of its best.{more}"
    )
    with st.container(horizontal=True):
        st.page_link("app_pages/predict.py", label="Let it predict", icon=":material/image_search:", width="content")
        st.page_link("app_pages/feature_maps.py", label="Look inside it", icon=":material/grid_view:", width="content")
