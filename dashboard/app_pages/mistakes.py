"""Where the network is wrong, how sure it is of itself, and when it learnt and forgot each image."""

import streamlit as st

from core.errors import CoreError
from core.history import History
from core.runs.checkpoints import Checkpoint
from core.wording import answers_to_a_copy
from dashboard import judgement_charts, links, state
from dashboard.components.close_up import close_up
from dashboard.components.confidence import show_calibration, show_classes
from dashboard.components.confusion import captions_of, confusion_table, images_of, pick_cell
from dashboard.components.gallery import gallery, pick_group
from dashboard.components.judged import TEST, VALIDATION, Judged, figures, judged_images, pick_image
from dashboard.components.missing_images import missing_images
from dashboard.components.run_picker import checkpoint_picker
from dashboard.components.status import error_box
from dashboard.components.thumbnails import page_of
from dashboard.markdown import plain

_CELLS, _CONFIDENCE, _EPOCHS = "confusion", "calibration", "learnt and forgotten"


def pick_view() -> tuple[str, str]:
    """What to look at, and on which images."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        views, sets = (_CELLS, _CONFIDENCE, _EPOCHS), (TEST, VALIDATION)
        links.check_link(state.VIEW, views, "view")
        view = st.segmented_control(
            "Look at", views, default=_CELLS, required=True, key=state.VIEW, bind="query-params",
            on_change=state.first_page,
        )  # fmt: skip
        links.check_link(state.SET, sets, "set of images")
        name = st.segmented_control(
            "Images", sets, default=TEST, required=True, key=state.SET, bind="query-params", disabled=view == _EPOCHS,
            on_change=state.first_page, help="Learnt and forgotten: only validation images are judged each epoch.",
        )  # fmt: skip
    return view, VALIDATION if view == _EPOCHS else name


@st.fragment
def show_cells(checkpoint: Checkpoint, judged: Judged) -> None:
    """Click a cell to see its images, an image to see why."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cell = pick_cell(judged.outcomes)
        positions = images_of(judged.outcomes, *cell)
        shown, index = page_of(positions), pick_image(judged)
    left, right = st.columns([4, 5])
    with left:
        confusion_table(judged.outcomes, *cell[:2])
    with right:
        what = f"{plain(cell[0])}, predicted {plain(cell[1])}"
        st.caption(f"{len(positions):,} images of {what}, those of greatest {cell[2]} first")
        gallery(
            judged, shown, captions_of(judged.outcomes, shown, *cell), selected=index,
            alt=f"Images of {cell[0]}, predicted {cell[1]}.",
        )  # fmt: skip
    close_up(checkpoint, judged, index, positions, in_cell=True)


def show_confidence(judged: Judged) -> None:
    """Does it keep its word, and which classes does it know?"""
    left, right = st.columns(2)
    with left:
        show_calibration(judged.outcomes)
    with right:
        show_classes(judged.outcomes)


@st.fragment
def show_epochs(checkpoint: Checkpoint, judged: Judged, history: History) -> None:
    """What became of the images over the epochs; click one to see its own course."""
    st.plotly_chart(
        judgement_charts.learning_shares(history), key="learning_shares",
        alt=f"Shares of the images learnt and forgotten after {len(history.epochs)} epochs",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = pick_group()
        positions = history.group(group)
        shown, index = page_of(positions), pick_image(judged)
    gallery(
        judged, shown, captions_of(judged.outcomes, shown), selected=index, alt=f"Images that were {group}.",
        correct=history.correct[shown],
    )  # fmt: skip
    close_up(checkpoint, judged, index, positions)


st.title("Mistakes")
st.markdown("Where the network is wrong, how sure it is of itself, and when it learnt and forgot each image.")
checkpoint = checkpoint_picker()
if checkpoint is None:
    st.stop()
view, name = pick_view()
try:
    judged = judged_images(checkpoint, name, at_end=view == _EPOCHS)
except CoreError as error:
    error_box(error)
    st.stop()
if judged is None:
    st.stop()
figures(judged)
if judged.problem is not None:
    kept = f"Until then, its answers are shown without the pictures.{answers_to_a_copy(checkpoint.run)}"
    missing_images(checkpoint.run.config, judged.problem, kept)
if view == _CELLS:
    show_cells(checkpoint, judged)
elif view == _CONFIDENCE:
    show_confidence(judged)
elif judged.history is not None:
    show_epochs(checkpoint, judged, judged.history)
