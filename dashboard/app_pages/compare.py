"""Two checkpoints on the same picture, several runs in one chart."""

import streamlit as st

from core.errors import CoreError
from dashboard.components.channel_choice import pick_view
from dashboard.components.compared_maps import both_predictions, compared_maps
from dashboard.components.compared_runs import compared_runs, pick_runs
from dashboard.components.image_picker import image_picker
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.second_checkpoint import second_checkpoint_picker, what_compares
from dashboard.components.status import error_box

_WATCH_SECONDS = 5


st.title("Compare")
st.markdown("Two networks on one picture, their maps side by side with the difference; and how whole runs went.")
left, right = st.columns(2)
with left:
    st.markdown("**A**")
    a = checkpoint_picker()
if a is None:
    st.stop()
with right:
    st.markdown("**B**")
    b = second_checkpoint_picker(a)
images = image_picker(a.run)
view = pick_view()
with st.container():  # of one piece, whatever it says: the choice of runs below keeps its part of the address
    if b is not None and images:
        what_compares(a, b)
        try:
            both_predictions(a, b, images[0])
        except CoreError as error:
            error_box(error)
        else:
            compared_maps(a, b, images[0], *view)

st.markdown("#### Curves, results and settings")
runs = pick_runs([a.run.id, b.run.id if b else a.run.id])
live = any(run.state.is_active for run in runs)
if runs:
    st.fragment(compared_runs, run_every=_WATCH_SECONDS if live else None)(runs, live)
