"""The test images that a network finds most alike to a picture, beside those whose pixels are."""

from collections import Counter

import numpy as np
import streamlit as st

from core.data.images import ImageSet
from core.errors import CoreError
from core.inspection.embedding import EMBEDDING_FILE, MOST_IMAGES, Embedding
from core.runs.checkpoints import Checkpoint
from dashboard import cache, image_sets, state, surveys
from dashboard.components.status import STAY
from dashboard.components.survey_pass import survey_pass
from dashboard.components.thumbnails import thumbnails
from dashboard.images import Chosen, jpeg_url
from dashboard.markdown import plain, some
from dashboard.neighbour_charts import embedding_map

_COUNT = 12
_HOW = (
    "Placed by t-SNE of what fc7, the last hidden layer, says: points that lie together are alike to the network; how "
    "far apart the groups lie means little. A picture that is none of the points stands amid the five nearest of them."
)


def offer_embedding(checkpoint: Checkpoint) -> None:
    """The button that lets the network place the test images, and what that costs."""
    try:
        total = len(image_sets.test_images(checkpoint.run))
    except CoreError as error:
        st.caption(f"Neighbours are looked for among the test images. {plain(error)}")
        return
    if surveys.keeps_others(checkpoint, EMBEDDING_FILE):
        st.caption(
            "The map kept with this checkpoint is of another copy of the test images than the one on this computer. "
            "Place these to replace it."
        )
    pressed = st.button(
        "Place the test images", icon=":material/scatter_plot:", key="compute_embedding", type="primary"
    )
    count = min(total, MOST_IMAGES)
    st.caption(
        f"The network looks at {count:,} test images once, which takes up to a few minutes on a CPU. What it finds is "
        "kept beside the checkpoint for all viewers."
    )
    if pressed:
        survey_pass(surveys.compute_embedding, checkpoint, total, "app_pages/neighbours.py", STAY)


def neighbours(checkpoint: Checkpoint, found: Embedding, image: Chosen) -> None:
    """The map of the test images with the picture in it, and those nearest to it. Raises CoreError."""
    vector = surveys.vector(checkpoint, found, image)
    nearest = found.nearest(vector, _COUNT, but=image.number)
    try:
        images = image_sets.test_images(checkpoint.run)
    except CoreError:  # the map and the numbers say enough until they are there; the image picker says why they aren't
        images = None
    left, right = st.columns([3, 2])
    with left:
        _map(found, found.place(vector, image.number), nearest, can_choose=images is not None)
    with right:
        _picture(checkpoint, image)
        _listed(images, found, nearest, "Nearest to the network", state.NEIGHBOURS)
        if images is not None:
            alike = surveys.nearest_in_pixels(images, found, image, _COUNT)
            _listed(images, found, alike, "Nearest in their pixels", state.PIXEL_NEIGHBOURS)


def _map(found: Embedding, here: np.ndarray, nearest: np.ndarray, *, can_choose: bool) -> None:
    click = " Click one to choose it." if can_choose else ""
    st.caption(f"{len(found.plane):,} test images by what the network says of them.{click}", help=_HOW)
    st.plotly_chart(
        embedding_map(found, here, nearest), key=state.EMBEDDING_MAP, selection_mode="points",
        on_select=_choose if can_choose else "ignore",
        config={"scrollZoom": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
        alt=f"A map of {len(found.plane)} test images; those that the network finds alike lie together",
    )  # fmt: skip


def _choose() -> None:
    """The clicked point's image, on this page and the others."""
    points = st.session_state[state.EMBEDDING_MAP].selection.points
    numbers = [point["customdata"] for point in points if "customdata" in point]
    state.choose(state.IMAGE_INDEX, int(np.ravel(numbers[0])[0]) if numbers else None)


def _picture(checkpoint: Checkpoint, image: Chosen) -> None:
    """What is asked about, and what the network says of it."""
    name, probability = cache.predictions(checkpoint, [image])[0].top(1)[0]
    picture, words = st.columns([1, 2], vertical_alignment="center")
    picture.image(jpeg_url(image.enlarged()), width="stretch", alt=f"The picture: {image.name}")
    truth = f" ({plain(image.label)})" if image.label else ""
    title = plain(image.name[:1].upper() + image.name[1:])
    words.markdown(f"**{title}**{truth}: taken for **{plain(name)}** with {probability:.0%}.")


def _listed(images: ImageSet | None, found: Embedding, chosen: np.ndarray, title: str, key: str) -> None:
    """How many of the chosen of the N images are of which class, and their thumbnails; a click chooses one."""
    names = [found.class_names[label] for label in found.labels[chosen]]
    counted = [f"{name} {count}" for name, count in Counter(names).most_common()]
    st.markdown(f"**{title}**: {some(counted, _COUNT)}")
    numbers = found.numbers[chosen].astype(np.int64)
    if images is None:
        st.caption(f"Test images {', '.join(map(str, numbers.tolist()))}; the pictures are not on this computer.")
        return
    thumbnails(
        images, found.images, numbers, names, selected=-1, choice=state.IMAGE_INDEX, noun="test image", key=key,
        alt=f"{title}: {len(names)} test images",
    )  # fmt: skip
