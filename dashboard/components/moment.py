"""One moment of a training in four panels: filters, feature maps, confusion matrix, probabilities."""

import numpy as np
import streamlit as st
from PIL import Image

from core.export.pictures import enlarged
from core.inspection.evolution import channel_film, evenly
from core.inspection.filters import filter_sheet
from core.runs.run import Run
from core.runs.snapshots import Pinned, Snapshot
from dashboard import snapshots, state
from dashboard.components.channel_choice import ColorScale
from dashboard.components.mosaic import channel_mosaic
from dashboard.html_charts import confusion_html, probability_rows
from dashboard.images import png_url
from dashboard.markdown import plain

_ACTING = (
    "Small images, stretched to 227 pixels, are smooth. Most of a filter never meets a signal in them, and keeps "
    "what it began with. This is the part that acts; the weights themselves are on the page Walkthrough."
)
_PHOTO_PIXELS = 224  # about as wide as its column
_FILTER_PIXELS = 4  # screen pixels a weight
_FILM_MOMENTS = 12
_FILM_HEIGHT = 110  # pixels


def photo_panel(snapshot: Snapshot, pinned: Pinned, image: int, names: tuple[str, ...]) -> None:
    """The pinned image, and what the network said of it at this moment."""
    truth = names[pinned.labels[image]]
    picture = enlarged(Image.fromarray(pinned.images[image]), _PHOTO_PIXELS)
    said = snapshot.pinned_probabilities[image]
    left, right = st.columns([1, 2], vertical_alignment="center")
    left.image(png_url(picture), caption=f"{plain(truth)}, {pinned.about(image)}", alt=f"The pinned image: {truth}")
    right.html(probability_rows(said, names, truth))


def maps_panel(run: Run, epoch: float, layer: str, image: int, scale: ColorScale, channel: int) -> None:
    """All channels of the layer on the pinned image at this moment; a click shows one over time."""
    sheet = snapshots.sheet(run, epoch, layer, image, *scale)
    st.caption(f"All {len(sheet.channels)} channels of {layer} after the ReLU. Click one to see it over time.")
    with st.container(height=560):
        alt = f"{len(sheet.channels)} feature maps of {layer} after epoch {epoch}."
        channel_mosaic(sheet, channel, key=state.TIME_MOSAIC, alt=alt)


def filters_panel(snapshot: Snapshot, image_size: int) -> None:
    """conv1's kernels as far as they act, in colour."""
    sheet = filter_sheet(snapshot.filters, image_size)
    large = sheet.resize((sheet.width * _FILTER_PIXELS, sheet.height * _FILTER_PIXELS), Image.Resampling.NEAREST)
    st.caption(
        f"The {len(snapshot.filters)} filters of conv1 as far as they act, each on its own scale.",
        help=_ACTING,
    )
    st.image(png_url(large), alt=f"The filters of conv1 after epoch {snapshot.epoch}")


def confusion_panel(snapshot: Snapshot, pinned: Pinned, names: tuple[str, ...]) -> None:
    """What the network took the validation images for at this moment."""
    if snapshot.probabilities is None:
        st.caption("The network is validated at the end of each epoch: the confusion matrix begins with epoch 1.")
        return
    predicted = snapshot.probabilities.argmax(1)
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (pinned.val_labels, predicted), 1)
    st.caption(f"{len(predicted):,} validation images, {counts.trace() / len(predicted):.1%} right.")
    st.html(confusion_html(counts, names))


def film_panel(run: Run, epochs: tuple[float, ...], layer: str, image: int, channel: int) -> None:
    """The chosen channel over the epochs, side by side on one scale."""
    moments = evenly(epochs, _FILM_MOMENTS)
    film = channel_film([snapshots.maps(run, epoch, layer, image) for epoch in moments], channel)
    factor = max(1, _FILM_HEIGHT // film.height)
    large = film.resize((film.width * factor, film.height * factor), Image.Resampling.NEAREST)
    listed = ", ".join(map(str, moments))
    st.caption(f"Channel {channel} of {layer} over time, on one scale; epochs {listed}.")
    st.image(png_url(large), alt=f"Channel {channel} of {layer} after epochs {listed}")
