"""Everything of a run as files that other programs open."""

from dataclasses import replace
from typing import get_args

import streamlit as st

from core.errors import CoreError
from core.export.request import Kind, Request
from core.export.tables import Table
from core.runs.snapshots import read_pinned, snapshot_epochs
from dashboard import state
from dashboard.components.channel_choice import pick_view
from dashboard.components.export_card import export_card
from dashboard.components.image_picker import image_picker
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.images import Chosen

_CARDS: dict[Kind, tuple[str, str]] = {
    "report": (
        "Report",
        "One HTML file that opens anywhere, offline: settings, curves, confusion matrix, filters, feature maps of the "
        "picture, the worst mistakes. About 6 MB, in some seconds.",
    ),
    "png": ("Picture", "The mosaic as PNG with a caption, for a slide or an exercise."),
    "npz": ("Raw activations", "The numbers behind the mosaic, float32, for NumPy; to the bit what the pages show."),
    "csv": (
        "Metrics",
        "A CSV table for a spreadsheet or pandas: of each epoch loss and accuracy, and that of each class; of each "
        "step loss, accuracy, learning rate, the gradient's norm and the pace.",
    ),
    "animation": ("Animation", "conv1's filters and a pinned image's feature maps over the epochs, as GIF."),
    "tensorboard": ("TensorBoard", "Event files: curves, confusion matrix and filters over the steps, as a zip."),
    "weights": (
        "Weights",
        "The state dict as safetensors, 233 MB. The server holds it in memory while you download; the command doesn't.",
    ),
    "onnx": (
        "ONNX",
        "The network for any runtime, pixels in, probabilities out, checked with onnxruntime: 233 MB, some seconds. "
        "The server holds it in memory while you download; the command doesn't.",
    ),
}


@st.fragment
def card(request: Request, pixels: str) -> None:
    """One kind of file with its own choices; preparing it redraws only this."""
    title, about = _CARDS[request.kind]
    with st.container(border=True):
        st.markdown(f"#### {title}")
        st.caption(about)
        if request.kind == "png" and st.toggle("conv1's filters instead", key=state.FILTERS):
            request = replace(request, filters=True)
        if request.kind == "npz" and st.toggle("All layers and stages", key=state.ALL_LAYERS):
            request = replace(request, layer=None, stage=None)
        if request.kind == "csv":
            rows = st.segmented_control("Rows", get_args(Table), default="epochs", required=True, key=state.TABLE)
            request = replace(request, table=rows)
        if request.kind == "animation":
            if not snapshot_epochs(request.run):
                st.caption("This run kept no snapshots, so there is nothing to animate. A new run keeps them.")
                return
            try:
                request = replace(request, pinned=pick_pinned(request))
            except CoreError as error:
                error_box(error)
                return
        export_card(request, pixels)


def pick_pinned(request: Request) -> str:
    names = read_pinned(request.run).names
    state.keep_valid(state.PINNED, names, names[0])
    name: str = st.segmented_control(
        "Pinned image", names, default=names[0], required=True, key=state.PINNED, bind="query-params"
    )
    return name


def with_picture(request: Request, image: Chosen) -> Request:
    own = image.name if image.label is None else None
    return replace(request, picture=image.picture, picture_name=image.name, image=own, test_image=image.number)


st.title("Take it away")
st.markdown("What you see as a file, for a lecture, a notebook or another tool; each also by a command.")
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
images = image_picker(checkpoint.run)
layer, stage, (scale, greatest) = pick_view()
request = Request(
    "report", checkpoint.run, checkpoint, st.session_state[state.CHECKPOINT], layer, stage, scale, greatest
)
if images:
    request = with_picture(request, images[0])
else:
    st.caption("Until there is a picture, the files below show the example photograph of a cat.")
with st.grid(2, min_column_width=340):
    for kind in _CARDS:
        card(replace(request, kind=kind), images[0].fingerprint if images else "")
