"""A set of images that a network judged, and one of them in detail."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from core.data.images import ImageSet
from core.errors import CoreError, DataError
from core.history import History
from core.inspection.overlay import overlay
from core.outcomes import Outcomes
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, charts, judgement_charts, state, surveys
from dashboard.components.status import STAY, error_box
from dashboard.images import Chosen
from dashboard.markdown import plain

TEST, VALIDATION = "test", "validation"
_AT_ONCE = 500  # images that are judged without being asked: about a second
_TOP = 5
_SURE = 0.9
_OPACITY = 0.55
_PAGES = (
    ("why", "Why this class", "ads_click"),
    ("feature_maps", "Its feature maps", "grid_view"),
    ("walkthrough", "Its arithmetic", "footprint"),
)
_PLAIN = {"displayModeBar": False}


@dataclass(frozen=True)
class Judged:
    """images and outcomes belong together, one by one. name: test or validation. key: of the chosen image.

    about: who judged what, as one clause. history: what the epochs said of the same images, where that is kept.
    """

    name: str
    key: str
    images: ImageSet
    outcomes: Outcomes
    about: str
    history: History | None = None


def judged_images(checkpoint: Checkpoint, name: str, *, at_end: bool) -> Judged | None:
    """The test images or the validation images with what the network said of them; None, and a word, without it.

    at_end: what it said of the validation images after the last epoch, not after that of the checkpoint.
    Raises CoreError where the images are gone, or what was kept is damaged.
    """
    return _test(checkpoint) if name == TEST else _validation(checkpoint, at_end)


def _test(checkpoint: Checkpoint) -> Judged | None:
    images = cache.test_images(checkpoint.run.config)
    found = surveys.outcomes(checkpoint)
    if found is None:
        _judge(checkpoint, len(images))
        found = surveys.outcomes(checkpoint)
    if found is None:
        return None
    about = (
        f"The weights after step {checkpoint.step:,} judged the {len(images):,} test images, which training never saw"
    )
    return Judged(TEST, state.IMAGE_INDEX, images, found, about)


def _judge(checkpoint: Checkpoint, count: int) -> None:
    """Judge the test images: at once where they are few, else when asked to."""
    place = st.empty()
    if count > _AT_ONCE:
        with place.container():
            st.info(
                f"This checkpoint has not judged the {count:,} test images yet. That takes a few minutes on a CPU and "
                "is kept.",
                icon=":material/quiz:",
            )
            if not st.button("Judge the test images", icon=":material/play_arrow:", type="primary", key="judge"):
                return
    with place.container():
        bar = st.progress(0.0, "Judging the test images")
        if count > _AT_ONCE:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Cancel", icon=":material/cancel:", key="cancel_judge")
                st.caption(STAY, width="content")

    def tell(done: int) -> None:
        bar.progress(done / count, f"Judged {done:,} of {count:,} test images")

    surveys.judge_test_images(checkpoint, tell)
    place.empty()


def _validation(checkpoint: Checkpoint, at_end: bool) -> Judged | None:
    history = surveys.history(checkpoint.run, checkpoint.class_names)
    if history is None:
        st.info(
            "No epoch of this run left a snapshot of what it said of the validation images. Runs that are started now "
            "leave one after each epoch; until then, look at the test images.",
            icon=":material/history:",
        )
        return None
    images = cache.val_images(checkpoint.run.config)
    epoch = history.epochs[-1] if at_end else history.nearest(checkpoint.epoch)
    outcomes = history.after(epoch)
    if not np.array_equal(images.labels, outcomes.labels):
        raise DataError(
            f"The validation images are no longer those that run {checkpoint.run.id} kept its answers to: its images "
            "have changed since. Put them back, or look at the test images."
        )
    about = f"After epoch {epoch} the network judged the {len(images):,} validation images"
    return Judged(VALIDATION, state.VAL_IMAGE, images, outcomes, about, history)


def pick_image(judged: Judged) -> int:
    """The number of the image to look at closely: what a click sets, a link carries and the keyboard reaches."""
    last = len(judged.images) - 1
    state.check_link(judged.key, range(last + 1), f"{judged.name} image")
    state.keep_below(judged.key, last + 1)
    return int(
        st.number_input(
            f"{judged.name.capitalize()} image, 0 to {last:,}", 0, last, step=1, key=judged.key, bind="query-params",
            width=200, on_change=state.back_to_test_set,
        )
    )  # fmt: skip


def figures(judged: Judged) -> None:
    """How well it judges, in one line."""
    outcomes = judged.outcomes
    wrong = len(outcomes) - int(outcomes.correct.sum())
    sure = int((~outcomes.correct & (outcomes.confidences > _SURE)).sum())
    st.markdown(
        f"{judged.about}: **{outcomes.accuracy:.1%} correct**, {wrong:,} mistakes, {sure:,} of them with over "
        f"{_SURE:.0%} confidence. Mean loss {outcomes.losses.mean():.3f} nats."
    )


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
            f"Click an image for its probabilities and where the network looked. {judged.name.capitalize()} image "
            f"{index:,} ({plain(truth)}, predicted {plain(guess)}) isn't among them.", width="content",
        )  # fmt: skip
        if in_cell:
            st.button("Show its cell", on_click=state.choose_cell, args=(truth, guess), key="show_cell")


def _details(checkpoint: Checkpoint, judged: Judged, index: int, truth: str, guess: str) -> None:
    outcomes = judged.outcomes
    image = Chosen(f"{judged.name} image {index:,}", Image.fromarray(judged.images.image(index)), truth)
    verdict = (
        ":green[:material/check: correct]" if truth == guess else f":red[:material/close: taken for {plain(guess)}]"
    )
    share = float(outcomes.probabilities[index, outcomes.labels[index]])
    st.markdown(f"#### {image.name.capitalize()}: {plain(truth)} {verdict}")
    whose = "" if judged.name == TEST else " Grad-CAM looks into the chosen checkpoint, the rest is as recorded then."
    st.caption(f"Loss {outcomes.losses[index]:.2f} nats: it gave {plain(truth)} a probability of {share:.1%}.{whose}")
    pictures, bars = st.columns([3, 2])
    with pictures, st.grid(3, min_column_width=110):
        st.image(image.enlarged(), caption="The picture, pixel by pixel", width="stretch", alt=f"A {truth}")
        for name in dict.fromkeys((guess, truth)):
            _grad_cam(checkpoint, image, outcomes.class_names.index(name), name)
    with bars:
        st.plotly_chart(
            charts.probability_bars(Prediction(outcomes.class_names, outcomes.probabilities[index]), _TOP, truth),
            config=_PLAIN, key="judged_probabilities",
            alt=f"The network said {guess} with {outcomes.confidences[index]:.1%}",
        )  # fmt: skip
    if judged.history is not None:
        _over_epochs(judged.history, index)
    if judged.name == TEST:
        _links(checkpoint, index)


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
        overlay(cache.seen_by_network(checkpoint, image), found.values, _OPACITY),
        caption=f"Grad-CAM: what speaks for {plain(name)}", width="stretch",
        alt=f"Where the network saw what speaks for {name}",
    )  # fmt: skip


def _links(checkpoint: Checkpoint, index: int) -> None:
    """The same image on the other pages."""
    address = {state.RUN: checkpoint.run.id, state.IMAGE_INDEX: str(index)}
    if which := state.chosen_checkpoint():
        address[state.CHECKPOINT] = which
    with st.container(horizontal=True):
        for file, label, icon in _PAGES:
            st.page_link(f"app_pages/{file}.py", label=label, icon=f":material/{icon}:", query_params=address)
