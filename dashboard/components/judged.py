"""A set of images that a network judged, and one of them in detail."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from core.data.images import ImageSet
from core.history import History
from core.outcomes import Outcomes, calibration
from core.prediction import Prediction
from core.runs.checkpoints import Checkpoint
from dashboard import cache, charts, judgement_charts, state
from dashboard.images import Chosen

TEST, VALIDATION = "test", "validation"
_AT_ONCE = 500  # images that are judged without being asked: about a second
_TOP = 5
_SURE = 0.9
_PLAIN = {"displayModeBar": False}


@dataclass(frozen=True)
class Judged:
    """images and outcomes belong together, one by one. name: test or validation. key: of the chosen image.

    about: one sentence on who judged what. history: what the epochs said of the same images, where that is kept.
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
    found = cache.outcomes(checkpoint)
    if found is None:
        _judge(checkpoint, len(images))
        found = cache.outcomes(checkpoint)
    if found is None:
        return None
    about = (
        f"The weights after step {checkpoint.step:,} judged all {len(images):,} test images, which training never saw."
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
    bar = place.progress(0.0, "Judging the test images")
    cache.judge_test_images(
        checkpoint, lambda done: bar.progress(done / count, f"Judged {done:,} of {count:,} test images")
    )
    place.empty()


def _validation(checkpoint: Checkpoint, at_end: bool) -> Judged | None:
    history = cache.history(checkpoint.run, checkpoint.class_names)
    if history is None:
        st.info(
            "No epoch of this run left a snapshot of what it said of the validation images. Runs that are started now "
            "leave one after each epoch; until then, look at the test images.",
            icon=":material/history:",
        )
        return None
    images = cache.val_images(checkpoint.run.config)
    epoch = history.epochs[-1] if at_end else history.nearest(checkpoint.epoch)
    about = f"What the network said of the {len(images):,} validation images after epoch {epoch}."
    return Judged(VALIDATION, state.VAL_IMAGE, images, history.after(epoch), about, history)


def pick_image(judged: Judged) -> int:
    """The number of the image to look at closely: what a click sets, a link carries and the keyboard reaches."""
    last = len(judged.images) - 1
    state.check_link(judged.key, range(last + 1), f"{judged.name} image")
    state.keep_below(judged.key, last + 1)
    return int(
        st.number_input(
            f"{judged.name.capitalize()} image, 0 to {last:,}", 0, last, step=1, key=judged.key, bind="query-params",
            width=200,
        )
    )  # fmt: skip


def figures(judged: Judged) -> None:
    """Four numbers that say how well it judges."""
    outcomes = judged.outcomes
    st.caption(judged.about)
    wrong = len(outcomes) - int(outcomes.correct.sum())
    sure = int((~outcomes.correct & (outcomes.confidences > _SURE)).sum())
    with st.grid(4, min_column_width=150):
        st.metric("Accuracy", f"{outcomes.accuracy:.1%}", border=True)
        st.metric("Mistakes", f"{wrong:,}", border=True, help=f"{sure:,} of them with over {_SURE:.0%} confidence.")
        st.metric("Mean loss", f"{outcomes.losses.mean():.3f}", border=True, help="Cross-entropy in nats.")
        st.metric(
            "Calibration error", f"{calibration(outcomes).ece:.1%}", border=True,
            help="How far confidence and accuracy lie apart on average, over 15 bins (ECE, Guo et al. 2017).",
        )  # fmt: skip


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
            f"{index:,} ({truth}, predicted {guess}) isn't among them.", width="content",
        )  # fmt: skip
        if in_cell:
            st.button("Show its cell", on_click=state.choose_cell, args=(truth, guess), key="show_cell")


def _details(checkpoint: Checkpoint, judged: Judged, index: int, truth: str, guess: str) -> None:
    outcomes = judged.outcomes
    image = Chosen(f"{judged.name} image {index:,}", Image.fromarray(judged.images.image(index)), truth)
    verdict = ":green[:material/check: correct]" if truth == guess else f":red[:material/close: taken for {guess}]"
    st.markdown(f"#### {image.name.capitalize()}: {truth} {verdict}")
    photo, why, bars = st.columns([1, 1, 2])
    photo.image(image.enlarged(), caption="The picture, pixel by pixel", width="stretch", alt=f"A {truth}")
    with why:
        _grad_cam(checkpoint, image, guess)
    with bars:
        share = float(outcomes.probabilities[index, outcomes.labels[index]])
        st.caption(f"Loss {outcomes.losses[index]:.2f} nats: it gave {truth} {share:.1%}.")
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


def _grad_cam(checkpoint: Checkpoint, image: Chosen, target: str) -> None:
    pass


def _links(checkpoint: Checkpoint, index: int) -> None:
    """The same image on the other pages."""
    address = {state.RUN: checkpoint.run.id, state.IMAGE_INDEX: str(index)}
    with st.container(horizontal=True):
        st.page_link(
            "app_pages/feature_maps.py", label="Its feature maps", icon=":material/grid_view:", query_params=address
        )
