"""One of a set of judged images in detail: what the network said of it, where it looked, when it learnt it."""

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import CoreError
from core.history import History
from core.inspection.overlay import overlay
from core.outcomes import Outcomes
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, charts, judgement_charts, state
from dashboard.components.judged import TEST, VALIDATION, Judged
from dashboard.components.status import error_box
from dashboard.images import Chosen, jpeg_url
from dashboard.markdown import plain

_TOP = 5
_OPACITY = 0.55
_PAGES = (
    ("why", "Why this class", "ads_click"),
    ("feature_maps", "Its feature maps", "grid_view"),
    ("walkthrough", "Its arithmetic", "footprint"),
)
_PLAIN = {"displayModeBar": False}


def close_up(
    checkpoint: Checkpoint, judged: Judged, index: int, positions: np.ndarray, *, in_cell: bool = False
) -> None:
    """The chosen image in detail, where it is one of those that are looked at; else, for a cell, a way to its own."""
    outcomes = judged.outcomes
    truth, guess = (judged.outcomes.class_names[n[index]] for n in (outcomes.labels, outcomes.predictions))
    if index in positions:
        _details(checkpoint, judged, index, truth, guess)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Choose an image for what the network said of it. {judged.name.capitalize()} image "
            f"{index:,} ({plain(truth)}, predicted {plain(guess)}) isn't among them.", width="content",
        )  # fmt: skip
        if in_cell:
            st.button("Show its cell", on_click=state.choose_cell, args=(truth, guess), key="show_cell")


def _details(checkpoint: Checkpoint, judged: Judged, index: int, truth: str, guess: str) -> None:
    outcomes = judged.outcomes
    verdict = (
        ":green[:material/check: correct]" if truth == guess else f":red[:material/close: taken for {plain(guess)}]"
    )
    share = float(outcomes.probabilities[index, outcomes.labels[index]])
    st.markdown(f"#### {judged.name.capitalize()} image {index:,}: {plain(truth)} {verdict}")
    st.caption(f"Loss {outcomes.losses[index]:.2f}: it gave {plain(truth)} a probability of {share:.1%}.")
    bars = st.container()
    if judged.images is not None:
        pictures, bars = st.columns([3, 2])
        with pictures:
            _picture(checkpoint, Chosen("", Image.fromarray(judged.images.image(index)), truth), outcomes, guess, truth)
            if judged.name == VALIDATION:
                st.caption("Grad-CAM looks into the chosen checkpoint, the rest is as recorded after that epoch.")
    with bars:
        st.plotly_chart(
            charts.probability_bars(Prediction(outcomes.class_names, outcomes.probabilities[index]), _TOP, truth),
            config=_PLAIN, key="judged_probabilities",
            alt=f"The network said {guess} with {outcomes.confidences[index]:.1%}",
        )  # fmt: skip
    if judged.history is not None:
        _over_epochs(judged.history, index)
    if judged.name == TEST and judged.images is not None:
        _links(checkpoint, index)


def _picture(checkpoint: Checkpoint, image: Chosen, outcomes: Outcomes, guess: str, truth: str) -> None:
    """The image, and where the network looked."""
    with st.grid(3, min_column_width=110):
        st.image(jpeg_url(image.enlarged()), caption="The picture, pixel by pixel", width="stretch", alt=f"A {truth}")
        for name in dict.fromkeys((guess, truth)):
            _grad_cam(checkpoint, image, outcomes.class_names.index(name), name)


def _over_epochs(history: History, index: int) -> None:
    first, learnt, events = (
        int(values[index]) for values in (history.first_correct, history.learnt, history.forgetting_events)
    )
    words = ["never correct" if first < 0 else f"first correct after epoch {first}"]
    if first >= 0:
        words.append(f"learnt for good after epoch {learnt}" if learnt >= 0 else "wrong at the end")
    words.append(f"forgotten {events} time{'' if events == 1 else 's'}")
    st.caption(" · ".join(words).capitalize())
    st.plotly_chart(
        judgement_charts.true_probability(history.epochs, history.true_probability(index), history.correct[index]),
        key="true_probability", config=_PLAIN, alt="Probability of the true class over the epochs: " + ", ".join(words),
    )  # fmt: skip


def _grad_cam(checkpoint: Checkpoint, image: Chosen, target: int, name: str) -> None:
    """Where the network saw what speaks for class `target`, over the photo."""
    try:
        found = cache.attribution(checkpoint, image, "grad-cam", target)
    except CoreError as error:
        error_box(error)
        return
    st.image(
        jpeg_url(overlay(cache.seen_by_network(checkpoint, image), found.values, _OPACITY)),
        caption=f"Grad-CAM: what speaks for {plain(name)}", width="stretch",
        alt=f"Where the network saw what speaks for {name}",
    )  # fmt: skip


def _links(checkpoint: Checkpoint, index: int) -> None:
    """The same image on the other pages."""
    address = {state.RUN: checkpoint.run.id, state.IMAGE_INDEX: str(index), state.IMAGE_SOURCE: state.TEST_SET}
    if which := state.chosen_checkpoint():
        address[state.CHECKPOINT] = which
    with st.container(horizontal=True):
        for file, label, icon in _PAGES:
            st.page_link(f"app_pages/{file}.py", label=label, icon=f":material/{icon}:", query_params=address)
