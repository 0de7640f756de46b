"""What training does to the numbers in each layer: weights, gradients, outputs."""

import streamlit as st

from core.errors import CoreError
from core.runs.layer_statistics import LAYERS
from core.runs.run import Run
from core.runs.snapshots import tells_of_layers
from dashboard import snapshots
from dashboard.components.layer_picker import pick_layer
from dashboard.components.live_chart import live_charts
from dashboard.components.run_picker import run_picker
from dashboard.components.status import error_box
from dashboard.layer_charts import overview_panels, spread_panels

_WATCH_SECONDS = 3.0
_HOW_TO_READ = """
Measured at each snapshot on up to 16 training images, always the same, as they are stored and without dropout.

- **Gradients**: how steeply the loss depends on a layer's weights. Plain gradient descent moves the weights by them;
  Adam, AdamW and Muon even out how large they are, so their course tells more than which layer has the largest. A line
  that ends has come to 0: nothing of the images reaches these weights any more.
- **Weights**: how far they are from where they began, beside how large they were. A layer that stays near 0 % answers
  much as it did then.
- **Outputs that the ReLU makes zero**: about half with fresh weights, which are as often negative as positive. More
  later on: a channel then answers to fewer things.
- **Channels that are zero everywhere** on all of those images. In fc6 and fc7 that is common, since a neuron answers to
  few images. Of the convolutions hardly any should be: a layer that reaches 100 % is dead. What comes after it sees
  nothing of the images, its own gradients and those before it are 0, and no further training brings it back. Most often
  the learning rate was too high.
"""


def look(run: Run, is_live: bool) -> None:
    """The charts; meant as a fragment that ticks while the run is active. Its end redraws the page."""
    if run.state.is_active is not is_live:
        st.rerun()
    try:
        epochs, found = snapshots.layers(run)
        live_charts(overview_panels(epochs, found), x_title="Epoch", key="layer_curves", revision=run.id)
        st.markdown("#### One layer")
        layer = pick_layer(LAYERS)
        st.caption("The line is the median; the bands hold the middle 50, 90 and 98 % of the values.")
        panels = spread_panels(epochs, found, layer)
        live_charts(panels, x_title="Epoch", key="one_layer", revision=f"{run.id} {layer}")
    except CoreError as error:
        error_box(error)


st.title("Layers over time")
st.markdown("What training does to the numbers in each layer: its weights, their gradients, its outputs.")
run = run_picker(tells_of_layers, "No run tells of its layers yet; a new run does, from its start on.")
if run is None:
    st.stop()
with st.expander("How to read it"):
    st.markdown(_HOW_TO_READ)
live = run.state.is_active
st.fragment(look, run_every=_WATCH_SECONDS if live else None)(run, live)
