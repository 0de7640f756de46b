"""Where the network places a picture among the test images."""

import streamlit as st

from core.errors import CoreError
from dashboard import surveys
from dashboard.components.image_picker import image_picker
from dashboard.components.neighbours import neighbours, offer_embedding
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box

st.title("Neighbours")
st.markdown(
    "Which test images are alike to the network, and where does it place this picture among them? The paper of 2012 "
    "asks the same in its figure 4."
)
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
try:
    found = surveys.embedding(checkpoint)
    if found is None:
        offer_embedding(checkpoint)
    elif images:
        neighbours(checkpoint, found, images[0])
except CoreError as error:
    error_box(error)
